import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";

import { Failed } from "../parts/Empty";

/** The parts of a newer server have other names. */
const WHY = "The server does not answer, or was replaced by a newer one.";

/** A component whose code is loaded when it is first shown. */
export function later<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): ComponentType<P> {
  const loaded = signal<ComponentType<P> | null>(null);
  const failed = signal(false);
  const begin = () =>
    load().then(
      (module) => (loaded.value = module.default),
      () => (failed.value = true),
    );
  return function Later(props: P) {
    useEffect(() => {
      if (!loaded.peek()) void begin();
    }, []);
    const Component = loaded.value;
    if (Component) return <Component {...props} />;
    return failed.value ? <Failed what="The page cannot be loaded" why={WHY} again={() => location.reload()} /> : null;
  };
}
