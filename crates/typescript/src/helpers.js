var babelHelpers = {
  decorate(decorators, target, key, descriptor) {
    const count = arguments.length;
    let result = count < 3 ? target
      : descriptor === null ? Object.getOwnPropertyDescriptor(target, key) : descriptor;
    for (const decorator of [...decorators].reverse()) {
      result = (count < 3 ? decorator(result)
        : count > 3 ? decorator(target, key, result) : decorator(target, key)) || result;
    }
    if (count > 3 && result) Object.defineProperty(target, key, result);
    return result;
  },
  decorateParam: (index, decorator) => (target, key) => decorator(target, key, index),
  usingCtx() {
    const none = {};
    const stack = [];
    const suppressed = (error, earlier) => typeof SuppressedError === "function"
      ? new SuppressedError(error, earlier)
      : Object.assign(new Error(), { name: "SuppressedError", error, suppressed: earlier });
    const method = (value, async) => {
      const found = async && value[Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")];
      if (found) return found;
      const plain = value[Symbol.dispose ?? Symbol.for("Symbol.dispose")];
      if (typeof plain !== "function") throw new TypeError("Object is not disposable.");
      return plain;
    };
    const use = (async, value) => {
      if (value != null) stack.push({ value, dispose: method(Object(value), async), async });
      else if (async) stack.push({ async });
      return value;
    };
    const note = (ctx, error) => {
      ctx.e = ctx.e === none ? error : suppressed(error, ctx.e);
    };
    const next = (ctx) => {
      for (let one; (one = stack.pop()); ) {
        try {
          const done = one.dispose?.call(one.value);
          if (one.async) {
            return Promise.resolve(done).catch((error) => note(ctx, error)).then(() => next(ctx));
          }
        } catch (error) {
          note(ctx, error);
          if (one.async) return Promise.resolve().then(() => next(ctx));
        }
      }
      if (ctx.e !== none) throw ctx.e;
    };
    return {
      e: none,
      u: (value) => use(false, value),
      a: (value) => use(true, value),
      d() {
        return next(this);
      },
    };
  },
};
