/** Colours for programs' text; loaded when there is some to show. Nothing becomes HTML on the way. */

import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import markdown from "highlight.js/lib/languages/markdown";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import { createLowlight } from "lowlight";

/** Text, or tokens of one kind. */
export type Token = string | { kind: string; tokens: Token[] };

type Node = ReturnType<typeof lowlight.highlight>["children"][number];

const lowlight = createLowlight({
  bash, c, css, diff, go, ini, java, javascript, json, markdown, python, rust, sql, typescript, xml, yaml,
});

/** The text as tokens; `language` is one of `languages`. */
export function highlight(text: string, language: string): Token[] {
  return tokens(lowlight.highlight(language, text).children);
}

function tokens(nodes: readonly Node[]): Token[] {
  return nodes.flatMap((node): Token[] => {
    if (node.type === "text") return [node.value];
    if (node.type !== "element") return [];
    const kind = [node.properties.className ?? ""].flat().join(" ");
    return [{ kind, tokens: tokens(node.children) }];
  });
}
