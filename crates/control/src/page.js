'use strict';
// The index page: choose a picture, move the sliders, see the URL, what it weighs and where it came from.
const get = id => document.getElementById(id);
let site, current, shown;

async function start() {
  site = await (await fetch('api/site')).json();
  get('promise').textContent = site.promise;
  get('w').max = site.ladder.length - 1;
  get('w').value = Math.max(0, site.ladder.indexOf(640));
  get('q').max = site.qualities.length;
  get('q').value = 0;
  const list = get('list');
  for (const picture of site.pictures) {
    const button = document.createElement('button');
    // What only another host serves cannot be shown from here: no page may say another Host.
    if (!picture.host) {
      const thumb = document.createElement('img');
      thumb.loading = 'lazy';
      thumb.alt = '';
      thumb.src = site.base + path(picture.name) + '?w=96&h=96&fit=crop&auto=format';
      button.append(thumb);
    }
    button.append(picture.key);
    button.onclick = () => choose(picture, button);
    list.append(button);
  }
  if (list.firstChild) list.firstChild.click();
  else get('facts').textContent = 'No pictures here yet.';
}

const path = key => '/' + key.split('/').map(encodeURIComponent).join('/');

function choose(picture, button) {
  current = picture;
  for (const other of get('list').children) other.setAttribute('aria-current', other === button);
  show();
}

function parameters() {
  const query = new URLSearchParams();
  query.set('w', site.ladder[get('w').value]);
  for (const name of ['ar', 'fit', 'crop', 'dpr']) if (get(name).value) query.set(name, get(name).value);
  if (query.has('ar') && !query.has('fit')) query.set('fit', 'crop');
  const format = get('fm').value;
  if (format === 'auto') query.set('auto', 'format');
  else if (format) query.set('fm', format);
  if (get('q').value > 0) query.set('q', site.qualities[get('q').value - 1]);
  get('w-out').value = query.get('w') + ' px';
  get('q-out').value = query.get('q') || 'default';
  return decodeURIComponent(query.toString());
}

async function show() {
  if (!current) return;
  const target = path(current.name) + '?' + parameters();
  const url = current.host ? 'https://' + current.host + target : site.base + target;
  get('url').textContent = get('url').href = url;
  if (current.host) {
    shown = {};
    get('stage').replaceChildren();
    facts([['served on', current.host + ' alone'], ['original', current.key]]);
    return;
  }
  const asked = performance.now();
  const mine = shown = {};
  let response, body;
  try {
    response = await fetch(url, { cache: 'no-store', headers: { accept: 'image/avif,image/webp,image/*,*/*;q=0.8' } });
    body = await response.blob();
  } catch (error) {
    facts([['error', String(error)]]);
    return;
  }
  if (mine !== shown) return;
  const took = performance.now() - asked;
  const rows = [['status', response.status], ['type', response.headers.get('content-type')],
    ['bytes', body.size.toLocaleString('en')], ['cache', response.headers.get('cache-status')],
    ['changed', response.headers.get('afterimage-changed')], ['time', took.toFixed(1) + ' ms here']];
  const stage = get('stage');
  stage.replaceChildren();
  if (response.ok && body.type.startsWith('image/')) {
    const picture = new Image();
    picture.onload = () => { if (mine === shown) { rows.splice(2, 0, ['size', picture.naturalWidth + ' × ' + picture.naturalHeight]); facts(rows); } URL.revokeObjectURL(picture.src); };
    picture.src = URL.createObjectURL(body);
    stage.append(picture);
  } else {
    const text = document.createElement('pre');
    text.className = response.ok ? '' : 'error';
    text.textContent = await body.text();
    stage.append(text);
  }
  facts(rows);
}

function facts(rows) {
  get('facts').replaceChildren(...rows.filter(row => row[1] !== null && row[1] !== '').map(([name, value]) => {
    const row = document.createElement('tr');
    const head = document.createElement('th');
    const cell = document.createElement('td');
    head.textContent = name;
    cell.textContent = value;
    row.append(head, cell);
    return row;
  }));
}

get('form').addEventListener('input', show);
get('form').addEventListener('submit', event => { event.preventDefault(); show(); });
start().catch(error => { get('facts').textContent = String(error); });
