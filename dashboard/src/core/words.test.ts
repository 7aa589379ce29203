import { expect, test } from "vitest";

import { ago, bytes, count, duration, jobState, money, short, why } from "./words";

test.each([
  [-5, "0 ms"], [0, "0 ms"], [849.6, "850 ms"], [1000, "1.0 s"], [4230, "4.2 s"], [9949, "9.9 s"], [9950, "10 s"],
  [59_400, "59 s"], [59_600, "1 min"], [200_000, "3 min 20 s"], [3_600_000, "1 h"], [7_500_000, "2 h 5 min"],
  [86_400_000, "1 d"], [273_600_000, "3 d 4 h"],
])("%d ms last %s", (ms, text) => expect(duration(ms)).toBe(text));

test.each([
  [-60_000, "just now"], [59_000, "just now"], [60_000, "1 min ago"], [3_600_000, "1 h ago"],
  [47 * 3_600_000, "47 h ago"], [48 * 3_600_000, "2 d ago"],
])("what was %d ms before now was %s", (ms, text) => expect(ago(0, ms)).toBe(text));

test.each([
  [0, "0 B"], [512, "512 B"], [1023, "1023 B"], [1024, "1 KiB"], [1536, "1.5 KiB"], [20 * 1024 ** 2, "20 MiB"],
  [1024 ** 2 - 1, "1 MiB"], [1.25 * 1024 ** 3, "1.3 GiB"], [1024 ** 6, "1024 PiB"],
])("%d bytes are %s", (n, text) => expect(bytes(n)).toBe(text));

test.each([[0, "$0"], [0.0042, "$0.0042"], [0.094, "$0.094"], [0.5, "$0.50"], [1.25, "$1.25"], [1e-7, "$1e-7"]])(
  "%d dollars are %s",
  (usd, text) => expect(money(usd)).toBe(text),
);

test.each([[0, "0"], [999, "999"], [1000, "1k"], [12_345, "12.3k"], [999_499, "999k"], [999_500, "1M"], [4_100_000, "4.1M"]])(
  "%d in short is %s",
  (n, text) => expect(short(n)).toBe(text),
);

test("one is counted as one", () => {
  expect(count(1, "job")).toBe("1 job");
  expect(count(10_000, "job")).toBe("10,000 jobs");
  expect(count(2, "key", "keys")).toBe("2 keys");
});

test("a job that waits for a person says so only while it can", () => {
  const waiting = { for: "approval", step: 1, kind: "bash", title: "x" } as const;
  expect(jobState({ status: "running", waiting }).word).toBe("Needs you");
  expect(jobState({ status: "cancelled", waiting }).word).toBe("Cancelled");
});

test("a reason that only a newer server knows is shown as it is", () => {
  expect(why("limit:moon" as never)).toEqual({ text: "limit:moon", cure: "" });
});
