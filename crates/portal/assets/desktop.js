// The page of a job's desktop. It looks by `/rfb/watch`; who takes control connects anew, by
// `/rfb/control`, so that what a watcher may not do is decided by the server alone.
import RFB from '/novnc.js';

const TAKEN_OVER = 4001;
const CONFLICT = 409;
const STATE_MS = 2000;
const SAVED_MS = 60000;
const PAUSES_MS = [250, 500, 1000, 2000, 4000];
const OVER = ['packaging', 'complete', 'error', 'cancelled'];
const HINTS = {
  watch: 'What was copied in the desktop. Who has control may write here, to paste it there.',
  control: 'The clipboard of the desktop. What you write here can be pasted there.',
};

const at = (id) => document.getElementById(id);
const [control, resize, clip, text] = ['control', 'resize', 'clip', 'text'].map(at);

let mode = 'watch';
let rfb = null;
let state = null;
let failures = 0;
let missing = false;
let ousted = false;
let over = false;

const say = (words) => { at('status').textContent = words; };
const note = (words) => { at('note').textContent = words; };
const isSettled = () => over && state?.status !== 'packaging';

async function look() {
  const answer = await fetch('/state').catch(() => null);
  if (!answer) return;
  if (answer.status === 403) location.replace('/');
  state = answer.ok ? await answer.json() : null;
  const gone = answer.status === 404;
  over = gone || (state !== null && OVER.includes(state.status));
  if (state) show();
  else if (gone) instead('There is no such job any more', '');
}

function show() {
  document.title = `${state.title} – desktop`;
  at('title').textContent = state.title;
  control.hidden = !state.may_control || over || missing;
  control.textContent =
    mode === 'control' ? 'Release control' : state.taken ? 'Take over control' : 'Take control';
  at('resizing').hidden = mode !== 'control' || over;
  at('jupyter').hidden = !state.may_control || state.status !== 'running';
  at('list').hidden = false;
  at('list').href = state.list;
  at('list').textContent = state.running ? `Desktops (${state.running})` : 'Desktops';
  at('zip').hidden = !state.zip;
  if (state.zip) at('zip').href = state.zip;
  if (over) ended();
  else if (rfb?.shown) say(words());
}

function words() {
  const theirs = mode !== 'control' && state.taken;
  const others = state.people - 1 - (theirs ? 1 : 0);
  const also = others > 0 ? `, with ${others} more` : '';
  const waits = state.has_agent ? '; the agent waits' : '';
  if (mode === 'control') return `you have control${also}${waits}`;
  return `watching${also}${theirs ? `; somebody else ${ousted ? 'took' : 'has'} control` : ''}`;
}

function ended() {
  say(`the job is over: ${state.status}`);
  note('');
  const isPacked = state.status !== 'packaging';
  const what = isPacked ? `It is ${state.status}` : 'What it left is being packed';
  instead('This job is over', `${what}; its desktop has ended with it.`);
}

// What stands where the desktop would be. In what a sandbox says, back quotes mark code.
function instead(what, why) {
  at('instead').hidden = !what;
  if (what) {
    clip.hidden = true;
    delete document.body.dataset.mode;
  }
  at('what').textContent = what;
  at('why').replaceChildren(...why.split('`').map((piece, n) => {
    const part = document.createElement(n % 2 ? 'code' : 'span');
    part.textContent = piece;
    return part;
  }));
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
    missing = false;
    instead('', '');
    document.body.dataset.mode = mode;
    at('hint').textContent = HINTS[mode];
    text.readOnly = mode !== 'control';
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
    ousted = true;
    return connect();
  }
  say('not connected');
  const why = await reason();
  await look();
  if (over) return;
  const pause = PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)];
  failures += 1;
  say('not connected; trying again');
  if (why) instead('The desktop cannot be shown yet', `${sentence(why)} This page tries again.`);
  setTimeout(() => { if (!rfb && !over) connect(); }, why ? PAUSES_MS.at(-1) : pause);
}

function sentence(words) {
  return `${words[0].toUpperCase()}${words.slice(1)}.`;
}

// Why the server refuses, if it does.
async function reason() {
  const answer = await fetch(`/rfb/${mode}`).catch(() => null);
  // Full of watchers is another matter: there is always a place for who takes control.
  missing = answer?.status === CONFLICT;
  if (!answer || answer.ok) return '';
  return (await answer.text()).slice(0, 2000);
}

function turn(to) {
  mode = to;
  ousted = false;
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
at('picture').addEventListener('click', () => rfb?.toBlob((picture) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(picture);
  link.download = `${state?.job ?? 'desktop'}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), SAVED_MS);
}));
at('full').addEventListener('click', () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => note('the browser allows no full screen'));
});
addEventListener('focus', offer);
setInterval(() => { if (!document.hidden && !isSettled()) look(); }, STATE_MS);

look();
connect();
