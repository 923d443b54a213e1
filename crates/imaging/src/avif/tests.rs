//! Whole files, there and back: what is written is read, within bounds; what is damaged is refused; grids are laid in order.

use super::*;
use crate::copyright::Copyright;
use crate::pixels::{Channels, Frames, Pixels};
use crate::{Never, Stop};

/// Smooth colours with an edge in brightness: something to lose for compression, little for 4:2:0.
fn sample(width: u32, height: u32, channels: Channels) -> Pixels {
    let pixel = |x: u32, y: u32| {
        let ramp = |at: u32, side: u32| (at * 255 / side.max(1)) as u8;
        let disc = (x as i64 - i64::from(width) / 2).pow(2) + (y as i64 - i64::from(height) / 2).pow(2)
            < i64::from(width * width / 16);
        let bright = if disc { 90 } else { 20 };
        [ramp(x, width) / 2 + bright, ramp(y, height) / 2 + bright, 40 + bright, ramp(x + y, width + height)]
    };
    let data = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| pixel(x, y).into_iter().take(channels.bytes())))
        .collect();
    Pixels::new(width, height, channels, data).unwrap()
}

fn decoded(bytes: &[u8]) -> Result<(Frames<'static>, Pixels), Error> {
    let mut frames = decode(bytes, &Limits::default(), &Never)?;
    let frame = frames.frames.next().unwrap()?;
    assert!(frames.frames.next().is_none());
    Ok((frames, frame.pixels.into_bytes()))
}

fn made(pixels: &Pixels, quality: u8) -> Vec<u8> {
    encode(pixels, encoding(quality, 9), &Copyright::default(), &Never).unwrap().bytes
}

fn encoding(quality: u8, speed: u8) -> Encoding {
    let level = Level { quality, scale: crate::QualityScale::Equal };
    Encoding { level, speed, chroma: Chroma::Halved }
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    10.0 * (255.0f64.powi(2) * a.len() as f64 / squares.max(1.0)).log10()
}

#[test]
fn what_is_written_is_read() {
    for (width, height) in [(64, 48), (65, 47), (1, 1), (2, 1), (1, 3), (200, 16)] {
        let pixels = sample(width, height, Channels::Rgb);
        let bytes = made(&pixels, 90);
        let header = header(&bytes, &Limits::default()).unwrap();
        assert_eq!((header.width, header.height, header.orientation, header.alpha), (width, height, 1, false));
        assert_eq!(header.icc, None);
        let written = Cicp { primaries: 1, transfer: 13, matrix: 1, full_range: true };
        assert_eq!(header.layout.cicp, Some(written), "nclx is in the file");
        let (frames, back) = decoded(&bytes).unwrap();
        assert_eq!((frames.width, frames.height, back.channels), (width, height, Channels::Rgb));
        assert!(
            width < 10 || psnr(&pixels.data, &back.data) > 36.0,
            "{width}x{height}: {}",
            psnr(&pixels.data, &back.data)
        );
    }
}

#[test]
fn quality_buys_bytes_and_likeness() {
    let pixels = sample(256, 192, Channels::Rgb);
    let results: Vec<(usize, f64)> = [20, 50, 80, 100]
        .map(|quality| made(&pixels, quality))
        .iter()
        .map(|bytes| (bytes.len(), psnr(&pixels.data, &decoded(bytes).unwrap().1.data)))
        .collect();
    assert!(results.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{results:?}");
    assert!(results[0].1 > 28.0 && results[3].1 > 40.0, "{results:?}");
}

#[test]
fn speeds_7_to_9_all_work_and_the_speed_is_used() {
    let pixels = sample(256, 192, Channels::Rgb);
    let sizes = [6, 7, 8, 9].map(|speed| encode(&pixels, encoding(60, speed), &Copyright::default(), &Never).unwrap());
    assert!(sizes.iter().any(|made| made.bytes != sizes[0].bytes));
    assert_eq!(encode(&pixels, encoding(60, 200), &Copyright::default(), &Never).unwrap(), sizes[3], "beyond 9 is 9");
}

#[test]
fn alpha_and_gray_come_back() {
    let pixels = sample(80, 60, Channels::Rgba);
    let bytes = made(&pixels, 90);
    assert!(header(&bytes, &Limits::default()).unwrap().alpha);
    let back = decoded(&bytes).unwrap().1;
    assert_eq!(back.channels, Channels::Rgba);
    let alpha = |pixels: &Pixels| pixels.data.iter().skip(3).step_by(4).copied().collect::<Vec<u8>>();
    assert!(psnr(&alpha(&pixels), &alpha(&back)) > 40.0);
    let opaque = Pixels::filled(8, 8, Channels::Rgba, &[10, 20, 30, 255]).unwrap();
    assert!(!header(&made(&opaque, 80), &Limits::default()).unwrap().alpha, "idle alpha is not written");
    let gray = sample(40, 30, Channels::Gray);
    let back = decoded(&made(&gray, 90)).unwrap().1;
    assert!(psnr(&gray.clone().into_rgb().data, &back.into_rgb().data) > 36.0);
}

#[test]
fn copyright_is_written_where_there_is_one() {
    let pixels = sample(16, 16, Channels::Rgb);
    let rights = Copyright { artist: Some("Ann".into()), notice: Some("© Ann".into()) };
    let bytes = encode(&pixels, encoding(60, 9), &rights, &Never).unwrap().bytes;
    assert_eq!(decoded(&bytes).unwrap().0.copyright, rights);
    assert_eq!(decoded(&made(&pixels, 60)).unwrap().0.copyright, Copyright::default());
}

#[test]
fn limits_hold_before_decoding_exactly_at_the_bound_and_just_past() {
    let bytes = made(&sample(30, 20, Channels::Rgb), 60);
    let limits = |pixels_max, metadata_bytes_max| Limits { pixels_max, metadata_bytes_max, ..Limits::default() };
    assert!(header(&bytes, &limits(600, 1 << 20)).is_ok());
    assert_eq!(header(&bytes, &limits(599, 1 << 20)).unwrap_err(), Error::TooManyPixels { asked: 600, max: 599 });
    let meta = Container::parse(&bytes, 1 << 20).unwrap().top[1].content.len() as u64;
    assert!(header(&bytes, &limits(600, meta)).is_ok());
    assert_eq!(
        header(&bytes, &limits(600, meta - 1)).unwrap_err(),
        Error::MetadataTooLarge { asked: meta, max: meta - 1 }
    );
}

#[test]
fn a_stream_larger_than_announced_is_refused() {
    let mut bytes = made(&sample(64, 48, Channels::Rgb), 60);
    let at = bytes.windows(4).position(|window| window == b"ispe").unwrap();
    bytes[at + 8..at + 12].copy_from_slice(&32u32.to_be_bytes());
    assert_eq!(header(&bytes, &Limits::default()).unwrap().width, 32);
    assert!(matches!(decoded(&bytes), Err(Error::Broken { .. })));
}

#[test]
fn an_expired_stop_ends_it() {
    let pixels = sample(16, 16, Channels::Rgb);
    let expired: &dyn Stop = &|| true;
    assert_eq!(encode(&pixels, encoding(60, 9), &Copyright::default(), expired).unwrap_err(), Error::Expired);
    assert!(matches!(decode(&made(&pixels, 60), &Limits::default(), expired), Err(Error::Expired)));
}

#[test]
fn cut_off_anywhere_is_an_error() {
    let bytes = made(&sample(48, 48, Channels::Rgba), 60);
    for end in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        assert!(decoded(&bytes[..end]).is_err(), "cut at {end} of {}", bytes.len());
    }
}

#[test]
fn damage_anywhere_is_no_crash() {
    let bytes = made(&sample(48, 48, Channels::Rgba), 60);
    for at in 0..bytes.len() {
        for value in [0, 0xff, bytes[at] ^ 1, bytes[at] ^ 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            let limits = Limits { pixels_max: 10_000, ..Limits::default() };
            if let Ok(mut frames) = decode(&damaged, &limits, &Never) {
                assert!(frames.frames.next().unwrap().unwrap().pixels.into_bytes().data.len() <= 40_000);
            }
        }
    }
}

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, &content].concat()
}

/// A file with a grid of `columns` tiles beside each other, all of one colour each, `width` pixels of which are shown.
fn grid_file(colours: &[[u8; 3]], tile: u32, width: u32, extra: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let streams: Vec<Vec<u8>> = colours
        .iter()
        .map(|colour| {
            let file = made(&Pixels::filled(tile, tile, Channels::Rgb, colour).unwrap(), 90);
            let container = Container::parse(&file, 1 << 20).unwrap();
            container.bytes_of(&file, container.item(container.primary).unwrap()).unwrap().into_owned()
        })
        .collect();
    let count = streams.len() as u16;
    let grid = [&[0, 0, 0, count as u8 - 1][..], &(width as u16).to_be_bytes(), &(tile as u16).to_be_bytes()].concat();
    let infe = |id: u16, kind: &[u8; 4]| boxed(b"infe", &[&[2, 0, 0, 0], &id.to_be_bytes(), &[0, 0], kind, &[0]]);
    let mut infos = vec![infe(1, b"grid")];
    let mut dimg = [1u16.to_be_bytes(), count.to_be_bytes()].concat();
    let mut ipma =
        [&[0, 0, 0, 0][..], &(u32::from(count) + 1).to_be_bytes(), &[0, 1, 1 + extra.len() as u8, 1]].concat();
    (0..extra.len()).for_each(|index| ipma.push(0x83 + index as u8));
    let mut iloc = [&[1, 0, 0, 0, 0x44, 0][..], &(count + 1).to_be_bytes()].concat();
    let place = |id: u16, method: u8, offset: usize, length: usize| {
        [
            &id.to_be_bytes()[..],
            &[0, method, 0, 0, 0, 1],
            &(offset as u32).to_be_bytes(),
            &(length as u32).to_be_bytes(),
        ]
        .concat()
    };
    iloc.extend(place(1, 1, 0, grid.len()));
    let mut offset = 8;
    for (id, stream) in (2u16..).zip(&streams) {
        infos.push(infe(id, b"av01"));
        dimg.extend(id.to_be_bytes());
        ipma.extend([&id.to_be_bytes()[..], &[1, 2]].concat());
        iloc.extend(place(id, 0, offset, stream.len()));
        offset += stream.len();
    }
    let ispe = |width: u32| boxed(b"ispe", &[&[0; 4], &width.to_be_bytes(), &tile.to_be_bytes()]);
    let extra: Vec<u8> = extra.iter().flat_map(|(kind, content)| boxed(kind, &[content])).collect();
    let iinf = boxed(b"iinf", &[&[&[0; 4][..], &(count + 1).to_be_bytes()].concat(), &infos.concat()]);
    let ipco = boxed(b"ipco", &[&ispe(width), &ispe(tile), &extra]);
    let meta = boxed(
        b"meta",
        &[
            &[0; 4],
            &boxed(b"pitm", &[&[0, 0, 0, 0, 0, 1]]),
            &boxed(b"iloc", &[&iloc]),
            &iinf,
            &boxed(b"iref", &[&[0; 4], &boxed(b"dimg", &[&dimg])]),
            &boxed(b"iprp", &[&ipco, &boxed(b"ipma", &[&ipma])]),
            &boxed(b"idat", &[&grid]),
        ],
    );
    // The media comes before the meta box so that its offsets are known: ftyp is 16 bytes.
    let media = boxed(b"mdat", &[&streams.concat()]);
    let mut file = [boxed(b"ftyp", &[b"avif\0\0\0\0"]), media, meta].concat();
    // Offsets above count from the mdat box; move them behind ftyp.
    let at = file.windows(4).position(|window| window == b"iloc").unwrap() + 4 + 8 + 16;
    for index in 0..usize::from(count) {
        let at = at + index * 16 + 8;
        let offset = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) + 16;
        file[at..at + 4].copy_from_slice(&offset.to_be_bytes());
    }
    file
}

#[test]
fn a_grid_is_laid_in_order_and_cut_to_its_size() {
    let file = grid_file(&[[250, 0, 0], [0, 250, 0], [0, 0, 250]], 64, 150, &[]);
    let header = header(&file, &Limits::default()).unwrap();
    assert_eq!((header.width, header.height, header.layout.colour.tiles.len()), (150, 64, 3));
    let pixels = decoded(&file).unwrap().1;
    for (x, channel) in [(0, 0), (63, 0), (64, 1), (127, 1), (128, 2), (149, 2)] {
        let at = (10 * 150 + x) * 3;
        let pixel = &pixels.data[at..at + 3];
        assert!(pixel[channel] > 230 && pixel.iter().filter(|value| **value < 20).count() == 2, "{x}: {pixel:?}");
    }
}

#[test]
fn a_grid_must_fit_its_picture_and_turning_is_reported() {
    assert!(decoded(&grid_file(&[[1; 3], [2; 3]], 64, 128, &[])).is_ok());
    for width in [64, 129] {
        let file = grid_file(&[[1; 3], [2; 3]], 64, width, &[]);
        assert!(matches!(header(&file, &Limits::default()), Err(Error::Broken { .. })), "{width}");
    }
    let turned = grid_file(&[[1; 3]], 64, 64, &[(b"irot", &[1]), (b"imir", &[0])]);
    assert_eq!(header(&turned, &Limits::default()).unwrap().orientation, 5);
    assert_eq!(decoded(&turned).unwrap().0.orientation, 5);
    let essential = grid_file(&[[1; 3]], 64, 64, &[(b"what", &[1])]);
    assert!(matches!(header(&essential, &Limits::default()), Err(Error::Unsupported { .. })));
}

#[test]
fn a_real_photograph_is_read_with_its_profile() {
    let bytes = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/pictures/breakfast.avif"));
    let (frames, pixels) = decoded(bytes).unwrap();
    assert_eq!((frames.width, frames.height, frames.orientation), (3024, 4032, 1));
    assert!(frames.icc.is_some_and(|icc| icc.windows(4).any(|window| window == b"acsp")));
    let mean = |channel: usize| {
        pixels.data.iter().skip(channel).step_by(3).map(|v| u64::from(*v)).sum::<u64>() / (3024 * 4032)
    };
    let means = [mean(0), mean(1), mean(2)];
    assert!(means.iter().all(|mean| (30..220).contains(mean)), "{means:?}");
}

#[test]
fn a_profile_takes_the_place_of_the_code_points() {
    for (width, channels) in [(64, Channels::Rgb), (33, Channels::Rgba)] {
        let pixels = sample(width, 20, channels);
        let plain = made(&pixels, 80);
        let icc: Vec<u8> = (0..3000u32).map(|at| (at * 7) as u8).collect();
        let tagged = with_icc(plain.clone(), &icc).unwrap();
        assert_eq!(tagged.len(), plain.len() + icc.len() + 4 - 11, "`prof` and a profile for `nclx` and seven bytes");
        let found = header(&tagged, &Limits::default()).unwrap();
        assert_eq!((found.icc.as_deref(), found.layout.cicp), (Some(icc.as_slice()), None));
        assert_eq!(decoded(&tagged).unwrap().1, decoded(&plain).unwrap().1, "the same pixels");
    }
    for end in 0..200 {
        let cut = made(&sample(8, 8, Channels::Rgb), 80)[..end].to_vec();
        assert!(with_icc(cut, b"icc").is_err(), "cut at {end}");
    }
}
