import { useComputed, useSignal } from "@preact/signals";
import { useId } from "preact/hooks";

import type { Job } from "../../api/client";
import { blockAt } from "../../core/fence";
import type { Step } from "../../core/timeline";
import { duration, type State } from "../../core/words";
import { Code } from "../../parts/Code";
import { Icon } from "../../parts/Icon";
import { Log } from "../../parts/Log";
import { StateMark } from "../../parts/StateMark";
import { useNow } from "./clock";
import { shown } from "./Files";
import type { JobState } from "./state";

const OUTCOMES: Record<NonNullable<Step["outcome"]>, State> = {
  ok: { shape: "ok", word: "OK" },
  failed: { shape: "bad", word: "Failed" },
  tolerated: { shape: "waiting", word: "Failed, may fail" },
  timed_out: { shape: "bad", word: "Timed out" },
  cancelled: { shape: "stopped", word: "Cancelled" },
  rejected: { shape: "stopped", word: "Rejected" },
  interrupted: { shape: "unknown", word: "Interrupted" },
};

/** Lines of output that are seen until somebody asks for more. */
const FEW = 14;

/** A step: its head always, its command and output when it is opened. */
export function StepCard({ step, state }: { step: Step; state: JobState }) {
  const body = useId();
  const chosen = useSignal<boolean | null>(null);
  const isLast = useComputed(() => state.last.value === step.number);
  const mark = markOf(step, state.over.value);
  // An agent's steps may fail on its way; what failed of a runbook ended it.
  const isCulprit = mark.shape === "bad" && state.job.value?.mode !== "agent";
  const isOpen = chosen.value ?? (isLast.value || isCulprit);
  return (
    <li class={`entry step ${mark.shape}`} id={`step-${step.number}`}>
      <h3>
        <button type="button" aria-expanded={isOpen} aria-controls={body} onClick={() => (chosen.value = !isOpen)}>
          <StateMark {...mark} quiet />
          <span class="step-number">{step.number}</span>
          <span class="step-title">{step.title}</span>
          <span class="step-kind">{step.kind}</span>
          <Took step={step} over={state.over.value} />
          <Icon name="next" />
        </button>
      </h3>
      <div id={body} hidden={!isOpen}>
        {isOpen && <Body step={step} state={state} mark={mark} />}
      </div>
    </li>
  );
}

function markOf({ outcome }: Step, over: boolean): State {
  if (outcome) return OUTCOMES[outcome] ?? { shape: "unknown", word: outcome };
  return over ? { shape: "unknown", word: "Nobody knows how it ended" } : { shape: "running", word: "Running" };
}

function Took({ step, over }: { step: Step; over: boolean }) {
  const runs = step.outcome === null && !over;
  const now = useNow(runs);
  const millis = step.millis ?? (runs ? Math.max(0, now - step.started) : null);
  return <span class="step-took">{millis === null ? "" : duration(millis)}</span>;
}

function Body({ step, state, mark }: { step: Step; state: JobState; mark: State }) {
  const job = state.job.value as Job;
  const code = step.code ?? (step.line > 0 ? blockAt(job.prompt, step.line) : null);
  const isFile = step.kind === "file";
  return (
    <div class="step-body">
      {code !== null && code !== "" && <Code text={code} language={isFile ? step.title : step.kind} />}
      {isFile && step.outcome === "ok" && (
        <p class="small dim">
          Wrote{" "}
          <button type="button" class="link mono" onClick={() => (shown.value = step.title)}>
            {step.title}
          </button>
        </p>
      )}
      {step.bytes > 0 && (
        <Log
          label={`Output of step ${step.number}`}
          bytes={state.bytes}
          spans={step.spans}
          size={step.bytes}
          live={step.outcome === null && !state.over.value}
          few={FEW}
        />
      )}
      {step.outcome !== null && (step.outcome !== "ok" || step.bytes === 0) && !isFile && (
        <p class="small dim">
          {mark.word}
          {step.exitCode !== null && step.exitCode !== 0 && `, exit code ${step.exitCode}`}
          {step.bytes === 0 && ", no output"}
        </p>
      )}
    </div>
  );
}
