import "./Help.css";

import { effective } from "../core/keys";
import { enable, enabled, shortcuts } from "../keys";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { end, hasSession } from "./session";

/** Which keys do what on this page, and where to read more. */
export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {effective(shortcuts.value).map(({ keys, says }) => (
          <div key={keys + says}>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd>{key}</kbd>
              ))}
            </dt>
            <dd>{says}</dd>
          </div>
        ))}
      </dl>
      <label class="tick">
        <input type="checkbox" checked={enabled.value} onChange={(event) => enable(event.currentTarget.checked)} />
        Single keys do something
      </label>
      <p class="dim">
        <a href="/docs">API</a> · <a href="/openapi.json">OpenAPI document</a> · <a href="/docs/problems">what refusals mean</a>
      </p>
      <div class="dialog-buttons">
        {hasSession.value && <Button onClick={() => void end()}>Forget my key</Button>}
        <Button kind="main" onClick={onClose}>
          Close
        </Button>
      </div>
    </Dialog>
  );
}
