import "./Frame.css";

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { locked, unlocks } from "../api/client";
import { connection } from "../api/live";
import type { Route } from "../core/route";
import { useShortcuts } from "../keys";
import { go, route } from "../navigate";
import { Empty } from "../parts/Empty";
import { Icon } from "../parts/Icon";
import { Sayings } from "../parts/say";
import { theme, turn } from "../theme";
import { Help } from "./Help";
import { KeyAsked } from "./KeyAsked";
import { later } from "./later";

const JobsPage = later(() => import("../pages/jobs/JobsPage"));
const JobPage = later(() => import("../pages/job/JobPage"));
const NewPage = later(() => import("../pages/new/NewPage"));
const SystemPage = later(() => import("../pages/system/SystemPage"));

const help = signal(false);

/** What surrounds every page. */
export function Frame() {
  useShortcuts([
    { keys: "?", says: "Show or hide this list", run: () => (help.value = true) },
    { keys: "n", says: "New task", run: () => go("/new") },
    { keys: "g j", says: "Go to the jobs", run: () => go("/") },
    { keys: "g s", says: "Go to the system", run: () => go("/system") },
  ]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Header />
      <Main />
      <Sayings />
      {help.value && <Help onClose={() => (help.value = false)} />}
      {locked.value && <KeyAsked />}
    </>
  );
}

function Header() {
  const { page } = route.value;
  const here = (which: Route["page"]) => (page === which ? "page" : undefined);
  return (
    <header class="header">
      <a class="brand" href="/" aria-label="Containerized Agent: all jobs">
        <img src="/assets/icon.svg" alt="" width="20" height="20" />
        <span>Containerized Agent</span>
      </a>
      <nav aria-label="Pages">
        <a href="/" aria-current={here("jobs")}>
          Jobs
        </a>
        <a href="/new" aria-current={here("new")}>
          New task
        </a>
        <a href="/system" aria-current={here("system")}>
          System
        </a>
      </nav>
      <ConnectionMark />
      <button type="button" class="button bare" aria-label={`Colours: ${theme.value}`} title={`Colours: ${theme.value}`} onClick={turn}>
        <Icon name={theme.value} />
      </button>
      <button type="button" class="button bare" aria-label="Keys and help" title="Keys and help (?)" onClick={() => (help.value = true)}>
        <Icon name="help" />
      </button>
    </header>
  );
}

/** Says something only while the stream is away. */
function ConnectionMark() {
  const lost = connection.value === "lost" && !locked.value;
  return (
    <p class="connection" role="status">
      {lost && (
        <span class="lost">
          <Icon name="lost" />
          <span>Reconnecting…</span>
        </span>
      )}
    </p>
  );
}

const TITLES: Partial<Record<Route["page"], string>> = { jobs: "Jobs", new: "New task", system: "System" };

/** The page itself; who goes to another is taken to its beginning. */
function Main() {
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const at = route.value;
  const key = at.page === "job" ? at.id : at.page;
  useEffect(() => {
    const title = TITLES[at.page];
    document.title = title ? `${title} · Containerized Agent` : "Containerized Agent";
    if (!first.current) {
      scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [key]);
  return (
    <main id="main" ref={main} tabIndex={-1} key={`${key} ${unlocks.value}`}>
      <Page at={at} />
    </main>
  );
}

function Page({ at }: { at: Route }) {
  switch (at.page) {
    case "jobs":
      return <JobsPage />;
    case "job":
      return <JobPage id={at.id} />;
    case "new":
      return <NewPage />;
    case "system":
      return <SystemPage />;
    case "unknown":
      return (
        <Empty title="There is nothing here">
          <p class="dim">{at.path} is no page of this server.</p>
          <a href="/">All jobs</a>
        </Empty>
      );
  }
}
