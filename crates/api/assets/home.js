// The list of jobs, refreshed. Everything a job wrote goes in as text, never as HTML.
"use strict";

const REFRESH_MS = 2000;
const FINAL = ["complete", "error", "cancelled"];
const rows = document.getElementById("jobs");
const note = document.getElementById("note");
const list = document.getElementById("list");
const locked = document.getElementById("locked");
let shown = "";

function cell(row, ...content) {
  const td = document.createElement("td");
  td.append(...content);
  row.append(td);
  return td;
}

function link(path, text) {
  const a = document.createElement("a");
  a.href = path;
  a.textContent = text;
  return a;
}

// A link works once, so it is asked for when it is wanted.
function way(job, view, text) {
  const button = document.createElement("button");
  button.textContent = text;
  button.addEventListener("click", async () => {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ view });
    try {
      const answer = await fetch(`/v1/jobs/${job}/tickets`, { method: "POST", headers, body });
      const { url, detail } = await answer.json();
      if (!answer.ok) throw new Error(detail);
      location.assign(url);
    } catch (error) {
      note.textContent = `Cannot open it: ${error.message}`;
    }
  });
  return button;
}

function row(job) {
  const tr = document.createElement("tr");
  const id = encodeURIComponent(job.job_id);
  const name = document.createElement("small");
  name.textContent = job.job_id;
  cell(tr, link(`/job/${id}`, job.title || "(no title)"), name);
  const says = job.reason && !["finished", job.status].includes(job.reason);
  const status = cell(tr, says ? `${job.status} (${job.reason})` : job.status);
  if (FINAL.includes(job.status)) status.className = job.status;
  if (job.error) status.title = job.error;
  cell(tr, new Date(job.created).toLocaleString());
  const results = [link(`/logs/${id}/stdout`, "stdout"), link(`/logs/${id}/stderr`, "stderr")];
  if (FINAL.includes(job.status)) results.push(link(`/download/${id}`, "ZIP"));
  if (job.status === "running") {
    results.unshift(way(id, "control", "Desktop"), way(id, "jupyter", "Jupyter"));
  }
  cell(tr, ...results);
  return tr;
}

async function refresh() {
  try {
    const answer = await fetch("/jobs");
    const { jobs, detail } = await answer.json();
    list.hidden = answer.status === 401;
    locked.hidden = !list.hidden;
    if (list.hidden) return void (note.textContent = "");
    if (!answer.ok) throw new Error(detail);
    const news = JSON.stringify(jobs);
    // Else whoever is about to press something would lose it.
    if (news !== shown) rows.replaceChildren(...jobs.map(row));
    shown = news;
    note.textContent = jobs.length ? "" : "No jobs yet. POST one to /schedule; the docs say how.";
  } catch (error) {
    note.textContent = `Cannot read the jobs: ${error.message}`;
  }
  setTimeout(refresh, REFRESH_MS);
}

document.getElementById("server").textContent = location.origin;

refresh();
