/* Writes a JPEG by libjpeg's own interface. TurboJPEG's, which is otherwise used here, takes no quantisation tables of ours. The library
 * reports an error by not returning, so that everything between its start and its end is C; what it says is handed to Rust as text. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* The same as `Picture` in libjpeg.rs. */
struct picture {
  const unsigned char *samples[3];
  size_t strides[3];
  unsigned int heights[3];
  unsigned int width, height;
  /* 1 or 3, as in the file. */
  unsigned int components;
  /* Of an interleaved pixel: 1, 3 or 4. 0 where there are planes, whose rows are whole blocks. */
  unsigned int pixel_bytes, progressive;
  unsigned int luma[DCTSIZE2], chroma[DCTSIZE2];
};

struct writing {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_destination_mgr destination;
  jmp_buf back;
  char *message;
  unsigned char *file;
  size_t file_bytes, room;
};

static struct writing *writing_of(j_common_ptr jpeg) { return (struct writing *)jpeg->client_data; }

static void fail(j_common_ptr jpeg) {
  jpeg->err->format_message(jpeg, writing_of(jpeg)->message);
  longjmp(writing_of(jpeg)->back, 1);
}

static void say_nothing(j_common_ptr jpeg) { (void)jpeg; }

/* Doubles the room, which was all used up. */
static boolean grow(j_compress_ptr jpeg) {
  struct writing *to = writing_of((j_common_ptr)jpeg);
  size_t room = to->room ? 2 * to->room : 1 << 15;
  unsigned char *file = realloc(to->file, room);
  if (file == NULL) ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
  to->file = file;
  to->destination.next_output_byte = file + to->room;
  to->destination.free_in_buffer = room - to->room;
  to->room = room;
  return TRUE;
}

static void begin(j_compress_ptr jpeg) { grow(jpeg); }
static void end(j_compress_ptr jpeg) {
  struct writing *to = writing_of((j_common_ptr)jpeg);
  to->file_bytes = to->room - to->destination.free_in_buffer;
}

static void write_planes(j_compress_ptr jpeg, const struct picture *of) {
  JSAMPROW rows[3][2 * DCTSIZE];
  JSAMPARRAY planes[3] = {rows[0], rows[1], rows[2]};
  unsigned int tall = (unsigned int)jpeg->max_v_samp_factor;
  while (jpeg->next_scanline < jpeg->image_height) {
    for (unsigned int c = 0; c < of->components; c++) {
      unsigned int factor = (unsigned int)jpeg->comp_info[c].v_samp_factor;
      unsigned int first = jpeg->next_scanline * factor / tall, last = of->heights[c] - 1;
      for (unsigned int row = 0; row < factor * DCTSIZE; row++) {
        unsigned int y = first + row < last ? first + row : last;
        rows[c][row] = (JSAMPROW)(of->samples[c] + y * of->strides[c]);
      }
    }
    jpeg_write_raw_data(jpeg, planes, tall * DCTSIZE);
  }
}

static int write_file(struct writing *to, const struct picture *of) {
  j_compress_ptr jpeg = &to->jpeg;
  jpeg->err = jpeg_std_error(&to->errors);
  to->errors.error_exit = fail;
  to->errors.output_message = say_nothing;
  jpeg->client_data = to;
  if (setjmp(to->back)) return 1;
  jpeg_create_compress(jpeg);
  to->destination.init_destination = begin;
  to->destination.empty_output_buffer = grow;
  to->destination.term_destination = end;
  jpeg->dest = &to->destination;
  jpeg->image_width = of->width;
  jpeg->image_height = of->height;
  jpeg->input_components = (int)(of->pixel_bytes ? of->pixel_bytes : of->components);
  J_COLOR_SPACE colours = of->pixel_bytes == 3 ? JCS_EXT_RGB : of->pixel_bytes == 4 ? JCS_EXT_RGBX : JCS_YCbCr;
  jpeg->in_color_space = of->components == 1 ? JCS_GRAYSCALE : colours;
  /* 4:2:0 of colour, with the DCT that rounds best. */
  jpeg_set_defaults(jpeg);
  jpeg_add_quant_table(jpeg, 0, of->luma, 100, TRUE);
  jpeg_add_quant_table(jpeg, 1, of->chroma, 100, TRUE);
  jpeg->optimize_coding = TRUE;
  jpeg->raw_data_in = !of->pixel_bytes;
  if (of->progressive) jpeg_simple_progression(jpeg);
  jpeg_start_compress(jpeg, TRUE);
  if (jpeg->raw_data_in) write_planes(jpeg, of);
  while (jpeg->next_scanline < jpeg->image_height) {
    JSAMPROW row = (JSAMPROW)(of->samples[0] + jpeg->next_scanline * of->strides[0]);
    jpeg_write_scanlines(jpeg, &row, 1);
  }
  jpeg_finish_compress(jpeg);
  return 0;
}

/* 0: `file` is to be freed with afterimage_jpeg_free. Else `message` says what is wrong; it has room for JMSG_LENGTH_MAX bytes. */
int afterimage_jpeg_write(const struct picture *of, unsigned char **file, size_t *file_bytes, char *message) {
  struct writing to;
  memset(&to, 0, sizeof to);
  to.message = message;
  int code = write_file(&to, of);
  /* Does nothing where creating had failed. */
  jpeg_destroy_compress(&to.jpeg);
  if (code) free(to.file);
  *file = code ? NULL : to.file;
  *file_bytes = to.file_bytes;
  return code;
}

void afterimage_jpeg_free(unsigned char *file) { free(file); }
