import "./style/tokens.css";
import "./style/base.css";

import { render } from "preact";

import { api, ask, locked } from "./api/client";
import { live } from "./api/live";
import { Frame } from "./frame/Frame";
import * as keys from "./keys";
import * as navigate from "./navigate";
import * as theme from "./theme";

/** A hidden page keeps its stream so long, in ms: who looks elsewhere for a moment misses nothing. */
const HIDDEN = 30_000;

theme.apply();
navigate.listen();
keys.listen();

// A stream does not say why it failed; a call does, and 401 makes the page ask for a key.
live.onLost = () => void ask(api.GET("/jobs", { params: { query: { limit: 1 } } })).catch(() => {});
locked.subscribe((is) => is || live.reopen());

let hiding: ReturnType<typeof setTimeout> | undefined;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(() => live.pause(true), HIDDEN);
  else live.pause(false);
});

const app = document.getElementById("app");
if (app) render(<Frame />, app);
