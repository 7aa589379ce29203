import { expect, it } from "vitest";
import { blockAt } from "./fence";

it("finds a block by its line", () => {
  const text = "# A\n\n```bash\necho 1\n\n  echo 2\n```\n\n- x\n\n  ~~~~py\n  a\n    b\n  ~~~\n  ~~~~\n";
  expect(blockAt(text, 3)).toBe("echo 1\n\n  echo 2");
  expect(blockAt(text, 11)).toBe("a\n  b\n~~~");
  expect(blockAt(text, 1)).toBeNull();
  expect(blockAt(text, 0)).toBeNull();
  expect(blockAt(text, 99)).toBeNull();
  expect(blockAt("```sh\nopen", 1)).toBe("open");
});
