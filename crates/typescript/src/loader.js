// Teaches Node to run TypeScript. `ts run` hands it to Node, with a `require` and a `config` in front
// (`node.rs`). All of it runs in the program's own thread. `import` is hooked by module.registerHooks, or
// where Node has none (before 22.15) by replacing methods of its loader: module.register would start a
// thread, which costs as much as starting Node. `require` is patched, as no Node before 24 calls hooks
// for all of it.
const { readFileSync, readlinkSync, realpathSync, statSync } = require("fs");
const Module = require("module");
const { dirname, extname, join, resolve: absolute } = require("path");
const { URL, fileURLToPath, pathToFileURL } = require("url");

const EXTENSIONS = [".ts", ".tsx", ".mts", ".cts"];
const GUESSES = [...EXTENSIONS, ".js", ".mjs", ".cjs", ".json"];
const WRITTEN_AS = { ".js": [".ts", ".tsx"], ".jsx": [".tsx"], ".mjs": [".mts"], ".cjs": [".cts"] };
const REQUIRE_ENTRY =
  `import Module from "node:module"; Module._load(${JSON.stringify(config.entry.path)}, null, true);`;

if (Module.registerHooks) Module.registerHooks({ resolve, load });
else replaceLoader();
patchRequire();

function resolve(specifier, context, next) {
  if (context.conditions?.includes("require")) return next(specifier, context);
  const url = fileUrl(specifier, context.parentURL);
  const path = url && fileURLToPath(url);
  if (path === config.entry.path) return { url: url.href, shortCircuit: true };
  const found = path && locate(path);
  if (!found) return next(specifier, context);
  return { url: pathToFileURL(found).href + url.search + url.hash, shortCircuit: true };
}

function load(url, context, next) {
  const required = context.conditions?.includes("require");
  if (required || !url.startsWith("file:")) return next(url, context);
  const path = fileURLToPath(url);
  if (isOurs(path)) {
    const { format, source } = transpile(path);
    if (format === "module") return { format, source, shortCircuit: true };
    // The patched CommonJS loader is to have it. Older Nodes take that for what comes without a
    // source; not for the entry, as they look first whether it is really there.
    if (path !== config.entry.path) {
      return { format, source: Module.registerHooks ? source : null, shortCircuit: true };
    }
    return { format: "module", source: REQUIRE_ENTRY, shortCircuit: true };
  }
  const attributes = context.importAttributes ?? context.importAssertions ?? {};
  if (path.endsWith(".json") && attributes.type === undefined) {
    const source = `export default ${readFileSync(path, "utf8")}`;
    return { format: "module", source, shortCircuit: true };
  }
  return next(url, context);
}

// Node's internals, as they were in every release from 18.0 to 22.14 and 23.4; no more will come. Not
// all have all of these methods.
function replaceLoader() {
  const internal = require("internal/modules/esm/loader");
  const loader = internal.getOrInitializeCascadedLoader?.() ??
    require("internal/process/esm_loader").esmLoader;
  for (const name of ["resolve", "resolveSync", "defaultResolve"]) {
    replace(loader, name, (original) => (specifier, parentURL, ...rest) =>
      resolve(`${specifier}`, { parentURL }, () => original(specifier, parentURL, ...rest)));
  }
  replace(loader, "load", (original) => async (url, context = {}) => {
    return { responseURL: url, ...(await load(url, context, () => original(url, context))) };
  });
  // What a module that is required imports.
  replace(require("internal/modules/esm/load"), "defaultLoadSync", (original) => (url, context = {}) =>
    ({ responseURL: url, ...load(url, context, () => original(url, context)) }));
}

function replace(object, name, replacement) {
  if (object[name]) object[name] = replacement(object[name].bind(object));
}

function fileUrl(specifier, parent) {
  if (!/^(\.{0,2}\/|\.{1,2}$|file:)/.test(specifier)) return undefined;
  if (parent !== undefined && !parent.startsWith("file:")) parent = undefined;
  try {
    const url = new URL(specifier, parent ?? pathToFileURL(`${process.cwd()}/`));
    return url.protocol === "file:" ? url : undefined;
  } catch {
    return undefined;
  }
}

// The TypeScript (or, without extension, any) file meant by a path that is no file itself.
function locate(path) {
  if (isFile(path)) return undefined;
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  const found = [
    ...(WRITTEN_AS[extension] ?? []).map((other) => stem + other),
    ...GUESSES.map((guess) => path + guess),
    ...GUESSES.map((guess) => join(path, `index${guess}`)),
  ].find(isFile);
  // As Node does: a file is one module, whatever links lead to it.
  return found && realpathSync(found);
}

function isFile(path) {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function isOurs(path) {
  return path === config.entry.path || EXTENSIONS.includes(extname(path));
}

// What `ts transpile` prints: the format on the first line, then the code.
function transpile(path) {
  const { entry } = config;
  const text = (path === entry.path && handedOver(entry.fd)) ||
    callTs(path === entry.path ? ["--as", path, entry.file] : [path]);
  const end = text.indexOf("\n");
  return { format: text.slice(0, end), source: text.slice(end + 1) };
}

// The entry, transpiled before Node started. Not there in processes forked from the program.
function handedOver(fd) {
  const link = `/proc/self/fd/${fd}`;
  try {
    return readlinkSync(link).startsWith("/memfd:ts-entry") && readFileSync(link, "utf8");
  } catch {
    return undefined;
  }
}

function callTs(args) {
  // Loaded only when wanted: it costs a start several milliseconds.
  const { spawnSync } = require("child_process");
  const done = spawnSync(config.ts, ["transpile", ...args], {
    encoding: "utf8",
    maxBuffer: Infinity,
  });
  if (done.error) throw done.error;
  if (done.status === 0) return done.stdout;
  const error = new SyntaxError(done.stderr.trim());
  error.stack = `SyntaxError: ${error.message}`;
  throw error;
}

function patchRequire() {
  const resolveFilename = Module._resolveFilename;
  Module._resolveFilename = function (request, parent, ...rest) {
    const path = /^(\.{0,2}\/|\.{1,2}$)/.test(request)
      ? absolute(parent?.filename ? dirname(parent.filename) : ".", request)
      : undefined;
    if (path === config.entry.path) return path;
    return (path && locate(path)) ?? resolveFilename.call(this, request, parent, ...rest);
  };
  const loadJs = Module._extensions[".js"];
  const compile = (module, filename) => {
    const { format, source } = transpile(filename);
    if (format === "module" && !process.features.require_module) throw needsImport(filename);
    module._compile(source, filename, format);
  };
  for (const extension of EXTENSIONS) Module._extensions[extension] = compile;
  for (const extension of [".js", ".cjs"]) {
    Module._extensions[extension] = (module, filename) =>
      (isOurs(filename) ? compile : loadJs)(module, filename);
  }
}

function needsImport(filename) {
  const error = new Error(
    `require() of ES module ${filename}: this Node (${process.version}) can only import it; ` +
      "use `import` (or `await import(…)`), or Node 20.19, 22.12 or later",
  );
  return Object.assign(error, { code: "ERR_REQUIRE_ESM" });
}
