// The page of a job's desktop. It looks by `/rfb/watch`; who takes control connects anew, by
// `/rfb/control`, so that what a watcher may not do is decided by the server alone.
import RFB from '/novnc.js';

const TAKEN_OVER = 4001;
const STATE_MS = 2000;
const PAUSES_MS = [250, 500, 1000, 2000, 4000];
const OVER = ['packaging', 'complete', 'error', 'cancelled'];

const at = (id) => document.getElementById(id);
const [control, resize, clip, text] = ['control', 'resize', 'clip', 'text'].map(at);

let mode = 'watch';
let rfb = null;
let state = null;
let failures = 0;
let over = false;

const say = (words) => { at('status').textContent = words; };
const note = (words) => { at('note').textContent = words; };

async function look() {
  const answer = await fetch('/state').catch(() => null);
  if (!answer) return null;
  if (answer.status === 403) location.replace('/');
  state = answer.ok ? await answer.json() : null;
  over = answer.status === 404 || (state !== null && OVER.includes(state.status));
  if (state) show();
  return state;
}

function show() {
  document.title = `${state.title} – desktop`;
  at('title').textContent = state.title;
  control.hidden = !state.may_control || over;
  control.textContent =
    mode === 'control' ? 'Release control' : state.taken ? 'Take over control' : 'Take control';
  at('resizing').hidden = mode !== 'control';
  if (over) say(`the job is over: ${state.status}`);
  else if (rfb?.shown) say(words());
}

function words() {
  const others = state.people - 1;
  const also = others > 0 ? `, with ${others} more` : '';
  if (mode === 'control') return `you have control${also}; the agent waits`;
  return `watching${also}${state.taken ? '; somebody has control' : ''}`;
}

function connect() {
  say('connecting');
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(`${scheme}//${location.host}/rfb/${mode}`);
  const viewer = new RFB(at('screen'), socket, { shared: true });
  rfb = viewer;
  viewer.shown = false;
  viewer.viewOnly = mode !== 'control';
  viewer.scaleViewport = true;
  viewer.resizeSession = mode === 'control' && resize.checked;
  viewer.addEventListener('connect', () => {
    viewer.shown = true;
    failures = 0;
    document.body.dataset.mode = mode;
    look();
    if (mode === 'control') viewer.focus();
  });
  viewer.addEventListener('clipboard', (event) => received(event.detail.text));
  socket.addEventListener('close', (event) => {
    if (rfb === viewer) closed(event.code);
  });
}

async function closed(code) {
  rfb = null;
  delete document.body.dataset.mode;
  if (code === TAKEN_OVER) {
    mode = 'watch';
    note('somebody else took control');
    return connect();
  }
  say('not connected');
  const why = await reason();
  await look();
  if (over) return;
  const pause = PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)];
  failures += 1;
  say(why ? `no desktop: ${why}` : `not connected; trying again`);
  setTimeout(() => { if (!rfb && !over) connect(); }, why ? PAUSES_MS.at(-1) : pause);
}

// Why the server refuses, if it does.
async function reason() {
  const answer = await fetch(`/rfb/${mode}`).catch(() => null);
  if (!answer || answer.ok) return '';
  return (await answer.text()).slice(0, 2000);
}

function turn(to) {
  mode = to;
  note('');
  const before = rfb;
  rfb = null;
  before?.disconnect();
  connect();
}

// The desktop's clipboard is written into the person's own only while they work in the desktop: what
// a job puts there is not to be trusted.
function received(words) {
  text.value = words;
  if (mode === 'control' && document.hasFocus()) navigator.clipboard?.writeText(words).catch(() => {});
}

// Without asking for it: where the browser was told before that this page may read it.
async function offer() {
  if (mode !== 'control' || !rfb?.shown) return;
  const asked = { name: 'clipboard-read' };
  const may = await navigator.permissions?.query(asked).catch(() => null);
  if (may?.state !== 'granted') return;
  const words = await navigator.clipboard.readText().catch(() => '');
  if (words && words !== text.value) {
    text.value = words;
    rfb?.clipboardPasteFrom(words);
  }
}

control.addEventListener('click', () => turn(mode === 'control' ? 'watch' : 'control'));
resize.addEventListener('change', () => { if (rfb) rfb.resizeSession = resize.checked; });
text.addEventListener('input', () => rfb?.clipboardPasteFrom(text.value));
at('clipboard').addEventListener('click', () => {
  clip.hidden = !clip.hidden;
  at('clipboard').setAttribute('aria-expanded', String(!clip.hidden));
});
at('full').addEventListener('click', () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => note('the browser allows no full screen'));
});
addEventListener('focus', offer);
setInterval(() => { if (!document.hidden && !over) look(); }, STATE_MS);

look();
connect();
