import fc from "fast-check";
import { expect, it } from "vitest";
import { rowsOf, separatorOf } from "./csv";

it("reads rows as programs write them", () => {
  expect(rowsOf('a,b\r\n"x, ""y""\n",2\n', ",", 9)).toEqual([["a", "b"], ['x, "y"\n', "2"]]);
  expect(rowsOf("a;;\n", ";", 9)).toEqual([["a", "", ""]]);
  expect(rowsOf("a,", ",", 9)).toEqual([["a", ""]]);
  expect(rowsOf('"open', ",", 9)).toEqual([["open"]]);
  expect(rowsOf("", ",", 9)).toEqual([]);
  expect(rowsOf("1\n2\n3", ",", 2)).toEqual([["1"], ["2"]]);
});

it("reads back what was written", () => {
  const field = fc.string({ unit: fc.constantFrom("a", ",", '"', "\n", "\r", " ", "é") });
  const table = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { maxLength: 6 });
  fc.assert(fc.property(table, (rows) => {
    const text = rows.map((row) => row.map((value) => `"${value.replaceAll('"', '""')}"`).join(",")).join("\r\n");
    expect(rowsOf(text, ",", 100)).toEqual(rows);
  }));
});

it("guesses what stands between fields", () => {
  expect(separatorOf("a.csv", "a;b;c\n1,2")).toBe(";");
  expect(separatorOf("a.tsv", "a,b")).toBe("\t");
  expect(separatorOf("a.csv", "one")).toBe(",");
});
