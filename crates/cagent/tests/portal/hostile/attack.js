// What a hostile page tries. `world` names its victims. Each attempt comes to a word: whatever starts
// with `REACHED` is one too much.

const PATIENCE = 5000;

function within(attempt) {
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, 'nothing'));
  return Promise.race([attempt, late]).catch((e) => `refused: ${e.name}`);
}

async function read(url, options) {
  const answer = await fetch(url, { credentials: 'include', ...options });
  return answer.type === 'opaque' ? 'opaque' : `REACHED ${answer.status} ${await answer.text()}`;
}

function socket(url) {
  return new Promise((resolve) => {
    const socket = new WebSocket(url.replace('http', 'ws'));
    socket.onopen = () => resolve('REACHED');
    socket.onerror = () => resolve('refused');
  });
}

function stream(url) {
  return new Promise((resolve) => {
    const source = new EventSource(url, { withCredentials: true });
    source.onmessage = source.onopen = () => resolve('REACHED');
    source.onerror = () => { source.close(); resolve('refused'); };
  });
}

function element(tag, url, attribute = 'src') {
  return new Promise((resolve) => {
    const made = document.createElement(tag);
    made.onload = () => resolve(`REACHED ${made.naturalWidth ?? ''}`);
    made.onerror = () => resolve('refused');
    made[attribute] = url;
    document.body.append(made);
  });
}

// A frame that was refused shows an error page, and is loaded too; what it may not do is to be read.
function frame(url) {
  return new Promise((resolve) => {
    const made = document.createElement('iframe');
    made.onload = () => {
      try {
        resolve(`REACHED ${made.contentDocument.body.innerText}`);
      } catch (e) {
        resolve(made.contentDocument === null ? 'refused' : `refused: ${e.name}`);
      }
    };
    made.src = url;
    document.body.append(made);
  });
}

function form(url, type, name, value) {
  return new Promise((resolve) => {
    const target = document.createElement('iframe');
    target.name = `sent-${Math.random()}`;
    document.body.append(target);
    const made = document.createElement('form');
    Object.assign(made, { action: url, method: 'POST', enctype: type, target: target.name });
    const field = document.createElement('input');
    Object.assign(field, { name, value });
    made.append(field);
    document.body.append(made);
    target.onload = () => resolve('sent');
    made.submit();
  });
}

// The window shows something; whoever opened it may not look into it.
async function popup(url) {
  const made = window.open(url);
  if (!made) return 'no window';
  try {
    for (const end = performance.now() + PATIENCE; performance.now() < end;) {
      if (made.closed) return 'refused: it was cut off';
      if (made.location.href === url && made.document.readyState === 'complete') {
        return `REACHED ${made.document.body.innerText}`;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return 'nothing';
  } catch (e) {
    return `refused: ${e.name}`;
  } finally {
    made.close();
  }
}

// As many as no server takes.
function flood() {
  for (let i = 0; i < 100; i++) document.cookie = `cagent-control${i}=${'x'.repeat(4000)}; Path=/state`;
  document.cookie = 'cagent-control=evil; Path=/';
  return document.cookie.includes('cagent-control=evil');
}

async function attack(world) {
  const task = JSON.stringify({ prompt: '```sh\necho hacked\n```', mode: 'runbook' });
  const tries = {};
  const attempt = (name, doing) => { tries[name] = within(doing); };

  document.cookie = 'cagent-preview=evil; Domain=localhost; Path=/';
  document.cookie = 'cagent-control=evil; Domain=localhost; Path=/';
  document.cookie = 'cagent-preview=evil; Path=/';

  for (const api of world.apis) {
    attempt(`${api} read`, read(`${api}/jobs`));
    attempt(`${api} read opaque`, read(`${api}/jobs`, { mode: 'no-cors' }));
    attempt(`${api} events`, stream(`${api}/v1/jobs/${world.victim}/events`));
    attempt(`${api} socket`, socket(`${api}/v1/jobs/${world.victim}/rfb?view=control`));
    attempt(`${api} frame`, frame(`${api}/jobs`));
    attempt(`${api} script`, element('script', `${api}/jobs`));
    attempt(`${api} picture`, element('img', `${api}/v1/jobs/${world.victim}/screenshot.png`));
    const json = { 'content-type': 'application/json' };
    attempt(`${api} schedule`, read(`${api}/schedule`, { method: 'POST', body: task, headers: json }));
    for (const mode of ['cors', 'no-cors']) {
      attempt(`${api} schedule ${mode}`, read(`${api}/schedule`, { method: 'POST', body: task, mode }));
      attempt(`${api} cancel ${mode}`, read(`${api}/cancel/${world.victim}`, { method: 'POST', mode }));
      const ticket = { method: 'POST', body: '{"view":"control"}', mode };
      attempt(`${api} ticket ${mode}`, read(`${api}/v1/jobs/${world.victim}/tickets`, ticket));
    }
    const half = task.slice(0, -1);
    attempt(`${api} form`, form(`${api}/schedule`, 'text/plain', `${half},"x":"`, '"}'));
    attempt(`${api} upload`, form(`${api}/schedule`, 'multipart/form-data', 'prompt', 'echo hacked'));
    attempt(`${api} cancel form`, form(`${api}/cancel/${world.victim}`, 'text/plain', 'a', 'b'));
  }
  for (const site of world.sites) {
    for (const path of ['/', '/stolen', '/state', '/list', '/api/contents', `/open/${world.victim}/control`]) {
      const url = site + path;
      attempt(`${url} read`, read(url));
      attempt(`${url} read opaque`, read(url, { mode: 'no-cors' }));
      attempt(`${url} frame`, frame(url));
      attempt(`${url} script`, element('script', url));
      attempt(`${url} picture`, element('img', url));
    }
    for (const mode of ['cors', 'no-cors']) {
      attempt(`${site} post ${mode}`, read(`${site}/api/kernels`, { method: 'POST', body: '{}', mode }));
    }
    attempt(`${site} form`, form(`${site}/stolen`, 'text/plain', 'a', 'b'));
    attempt(`${site} enter`, form(`${site}/.cagent/enter`, 'application/x-www-form-urlencoded', 'ticket', 'x'));
    for (const path of ['/stolen', '/rfb/control', '/rfb/watch', '/api/kernels/x/channels', '/terminals/websocket/1']) {
      attempt(`${site}${path} socket`, socket(site + path));
    }
    attempt(`${site} popup`, popup(`${site}/stolen`));
  }
  const outcomes = {};
  for (const [name, outcome] of Object.entries(tries)) outcomes[name] = await outcome;
  return outcomes;
}
