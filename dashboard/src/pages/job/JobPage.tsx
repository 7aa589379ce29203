import "./beside.css";
import "./job.css";
import "./progress.css";

import { useEffect, useMemo } from "preact/hooks";

import { Empty, Failed } from "../../parts/Empty";
import { Approval } from "./Approval";
import { Details } from "./Details";
import { Ending } from "./Ending";
import { Files } from "./Files";
import { Head } from "./Head";
import { Panel } from "./Panel";
import { Plan } from "./Plan";
import { SayBox } from "./SayBox";
import { JobState } from "./state";
import { Progress } from "./Progress";
import { Usage } from "./Usage";
import { WaysIn } from "./WaysIn";

/** All of one job, while it runs and afterwards. */
export default function JobPage({ id }: { id: string }) {
  const state = useMemo(() => new JobState(id), [id]);
  useEffect(() => state.open(), [state]);
  const title = state.job.value?.title;
  useEffect(() => {
    const before = document.title;
    if (title) document.title = `${title} · Containerized Agent`;
    return () => void (document.title = before);
  }, [title]);

  if (state.gone.value) return <Gone />;
  const failure = state.failure.value;
  if (failure) return <Failed what="This job cannot be shown" why={failure.message} again={() => void state.load()} />;
  if (!state.job.value) return <Loading />;
  return (
    <div class="job">
      <Head state={state} />
      <div class="job-columns">
        <div class="job-main">
          <Approval state={state} />
          <Ending state={state} />
          <Progress state={state} />
          <SayBox state={state} />
        </div>
        <div class="job-side">
          <Plan state={state} />
          <WaysIn state={state} />
          <Panel name="files" title="Files">
            <Files state={state} />
          </Panel>
          <Panel name="usage" title="Usage and cost">
            <Usage state={state} />
          </Panel>
          <Panel name="details" title="Details">
            <Details state={state} />
          </Panel>
        </div>
      </div>
    </div>
  );
}

function Gone() {
  return (
    <Empty title="There is no such job any more">
      <p class="dim">It was deleted, its time was over, or the address is wrong.</p>
      <a href="/">All jobs</a>
    </Empty>
  );
}

/** The page's outline, so that nothing jumps when the job is there. */
function Loading() {
  return (
    <div class="job" aria-busy="true">
      <h1 class="unseen">Loading the job</h1>
      <div class="job-ghost" />
      <div class="job-ghost tall" />
    </div>
  );
}
