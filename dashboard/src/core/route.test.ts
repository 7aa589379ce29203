import { expect, test } from "vitest";

import { parse } from "./route";

const ID = "018f3f6e-7c1a-7b2e-9d3c-5a4b3c2d1e0f";

test.each([
  ["/", { page: "jobs" }],
  ["/new", { page: "new" }],
  ["/new/", { page: "new" }],
  ["/system", { page: "system" }],
  [`/jobs/${ID}`, { page: "job", id: ID }],
  ["/jobs/01abc", { page: "unknown", path: "/jobs/01abc" }],
  ["/jobs", { page: "unknown", path: "/jobs" }],
  [`/jobs/${ID}/x`, { page: "unknown", path: `/jobs/${ID}/x` }],
  ["/docs", { page: "unknown", path: "/docs" }],
])("%s", (path, route) => expect(parse(path)).toEqual(route));
