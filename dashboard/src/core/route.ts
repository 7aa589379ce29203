/** Which page a path shows. */

export type Route =
  | { page: "jobs" }
  | { page: "job"; id: string }
  | { page: "new" }
  | { page: "system" }
  | { page: "unknown"; path: string };

const JOB_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function parse(path: string): Route {
  const [first, second, ...rest] = path.split("/").filter(Boolean);
  if (first === undefined) return { page: "jobs" };
  if (first === "new" && second === undefined) return { page: "new" };
  if (first === "system" && second === undefined) return { page: "system" };
  if (first === "jobs" && second && JOB_ID.test(second) && rest.length === 0) return { page: "job", id: second };
  return { page: "unknown", path };
}
