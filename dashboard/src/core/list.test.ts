import fc from "fast-check";
import { expect, test } from "vitest";

import type { JobStatus, JobSummary } from "../api/client";
import { changed, extended, type Filter, type List, visible } from "./list";

const ALL: Filter = { statuses: [], search: "" };

function job(id: number, status: JobStatus = "running", title = `job ${id}`): JobSummary {
  const times = { created: "", started: null, completed: null };
  return { job_id: String(id).padStart(6, "0"), title, status, ...times, reason: null, error: null, waiting: null };
}

const ids = (list: List) => list.jobs.map(({ job_id }) => Number(job_id));
const of = (...jobs: JobSummary[]) => new Map(jobs.map((job) => [job.job_id, job]));
const list = (numbers: number[], more = false): List => ({ jobs: numbers.map((id) => job(id)), more });

test("new ones come first, changed ones stay where they are, deleted ones go", () => {
  const changes = new Map([...of(job(9), job(4, "complete")), [job(5).job_id, null]]);
  const after = changed(list([7, 5, 4]), changes, ALL);
  expect(ids(after)).toEqual([9, 7, 4]);
  expect(after.jobs[2]?.status).toBe("complete");
});

test("what the filter does not show goes, and comes", () => {
  const filter: Filter = { statuses: ["running"], search: "Build" };
  const before: List = { jobs: [job(5, "running", "build it")], more: false };
  expect(ids(changed(before, of(job(5, "complete", "build it")), filter))).toEqual([]);
  expect(ids(changed(before, of(job(6, "running", "REBUILD")), filter))).toEqual([6, 5]);
  expect(ids(changed(before, of(job(6, "running", "test it")), filter))).toEqual([5]);
  // The server found it, whatever it found it by.
  expect(ids(changed({ jobs: [job(5)], more: false }, of(job(5)), filter))).toEqual([5]);
});

test("what lies beyond the loaded part waits for its page", () => {
  expect(ids(changed(list([7, 5], true), of(job(3)), ALL))).toEqual([7, 5]);
  expect(ids(changed(list([7, 5], false), of(job(3)), ALL))).toEqual([7, 5, 3]);
  expect(ids(extended(list([7, 5], true), [job(5), job(4)], true))).toEqual([7, 5, 4]);
});

test("any changes in any portions leave the list as the server has it", () => {
  const change = fc.tuple(fc.integer({ min: 1, max: 30 }), fc.constantFrom<JobStatus | "gone">("running", "complete", "gone"));
  fc.assert(
    fc.property(fc.array(fc.array(change)), fc.constantFrom<JobStatus[]>([], ["running"]), (portions, statuses) => {
      const truth = new Map<number, JobSummary>();
      let shown: List = { jobs: [], more: false };
      for (const portion of portions) {
        const changes = new Map<string, JobSummary | null>();
        for (const [id, status] of portion) {
          const now = status === "gone" ? null : job(id, status);
          changes.set(job(id).job_id, now);
          if (now) truth.set(id, now);
          else truth.delete(id);
        }
        shown = changed(shown, changes, { statuses, search: "" });
      }
      const right = [...truth.values()].filter(({ status }) => statuses.length === 0 || statuses.includes(status));
      expect(shown.jobs).toEqual(right.sort((a, b) => (a.job_id < b.job_id ? 1 : -1)));
    }),
  );
});

test("every row that is seen is drawn, and not many more", () => {
  fc.assert(
    fc.property(fc.integer({ min: -500, max: 600_000 }), fc.integer({ min: 1, max: 3000 }), fc.nat(10_000), (above, height, rows) => {
      const { first, last } = visible(above, height, 60, rows);
      expect(first).toBeGreaterThanOrEqual(0);
      expect(last).toBeLessThanOrEqual(rows);
      expect(last - first).toBeLessThanOrEqual(2 * Math.ceil(height / 60) + 4);
      for (let row = 0; row < rows; row += 1) {
        const isSeen = (row + 1) * 60 > above && row * 60 < above + height;
        if (isSeen && (row < first || row >= last)) expect.fail(`row ${row} is seen and not drawn`);
      }
    }),
  );
});
