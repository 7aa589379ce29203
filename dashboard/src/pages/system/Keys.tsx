import { useSignal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";

import { api, ask, Refusal, type Schemas, told } from "../../api/client";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { Failed } from "../../parts/Empty";
import { say } from "../../parts/say";
import { Part } from "./SystemPage";

type Key = Schemas["ApiKey"];

const SCOPES: Record<Schemas["Scope"], string> = {
  read: "see jobs and results",
  submit: "that, and give jobs",
  operate: "that, and steer, cancel and delete them",
  admin: "that, and keep the keys",
};

/** Who may do what here. */
export function Keys() {
  const keys = useSignal<Key[] | null>(null);
  const error = useSignal<unknown>(null);
  const making = useSignal(false);
  const revoking = useSignal<Key | null>(null);
  const load = async () => {
    try {
      keys.value = (await ask(api.GET("/v1/keys"))).keys;
      error.value = null;
    } catch (why) {
      error.value = why;
    }
  };
  useEffect(() => void load(), []);
  const revoke = async ({ id, name }: Key) => {
    revoking.value = null;
    try {
      await ask(api.DELETE("/v1/keys/{id}", { params: { path: { id } } }));
      say(`The key of ${name} opens nothing any more`);
    } catch (why) {
      say(`Not revoked: ${told(why)}`, { bad: true });
    }
    await load();
  };
  return (
    <Part title="Keys" beside={keys.value && <Button onClick={() => (making.value = true)}>New key</Button>}>
      {error.value !== null && <NotShown why={error.value} again={() => void load()} />}
      {keys.value?.length === 0 && <p class="dim">None was made. Where the server listens beyond this machine, everybody needs one.</p>}
      {keys.value && keys.value.length > 0 && <Table keys={keys.value} revoke={(key) => (revoking.value = key)} />}
      {making.value && <Making onClose={() => ((making.value = false), void load())} />}
      {revoking.value && (
        <Dialog title="Revoke this key?" onClose={() => (revoking.value = null)}>
          <p>
            Whoever holds the key of <strong>{revoking.value.name}</strong> gets in no more. Jobs that were given with it go on.
          </p>
          <div class="dialog-buttons">
            <Button onClick={() => (revoking.value = null)}>Keep it</Button>
            <Button kind="danger" onClick={() => void revoke(revoking.value!)}>
              Revoke
            </Button>
          </div>
        </Dialog>
      )}
    </Part>
  );
}

function NotShown({ why, again }: { why: unknown; again: () => void }) {
  if (why instanceof Refusal && (why.status === 403 || why.status === 401)) {
    return (
      <p class="dim">
        Keys are kept by who has a key of scope <code>admin</code>; on the machine itself: <code>cagent key ls</code>.
      </p>
    );
  }
  return <Failed what="The keys cannot be read" why={told(why)} again={again} />;
}

function Table({ keys, revoke }: { keys: Key[]; revoke: (key: Key) => void }) {
  const date = (time: string) => new Date(time).toLocaleDateString();
  return (
    <div class="wide">
      <table>
        <thead>
          <tr>
            <th scope="col">Whose</th>
            <th scope="col">Id</th>
            <th scope="col">May</th>
            <th scope="col">Made</th>
            <th scope="col">Ends</th>
            <td />
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => (
            <tr key={key.id} class={key.revoked ? "dim" : ""}>
              <th scope="row">{key.name}</th>
              <td class="mono">{key.id}</td>
              <td title={SCOPES[key.scope]}>{key.scope}</td>
              <td>{date(key.created)}</td>
              <td>{key.revoked ? `revoked ${date(key.revoked)}` : key.expires ? date(key.expires) : "never"}</td>
              <td class="number">
                {!key.revoked && (
                  <Button kind="danger" aria-label={`Revoke the key of ${key.name}`} onClick={() => revoke(key)}>
                    Revoke
                  </Button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Makes a key, and shows it this once. */
function Making({ onClose }: { onClose: () => void }) {
  const name = useSignal("");
  const scope = useSignal<Schemas["Scope"]>("operate");
  const made = useSignal("");
  const wrong = useSignal("");
  const id = useId();
  const make = async () => {
    try {
      const body = { name: name.value.trim(), scope: scope.value };
      made.value = (await ask(api.POST("/v1/keys", { body }))).key;
    } catch (why) {
      wrong.value = told(why);
    }
  };
  if (made.value) return <Made secret={made.value} onClose={onClose} />;
  return (
    <Dialog title="New key" onClose={onClose}>
      <form
        class="making"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <label for={`${id}n`}>Whose it is</label>
        <input id={`${id}n`} required maxLength={100} autofocus value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
        <label for={`${id}s`}>What they may do</label>
        <select id={`${id}s`} value={scope.value} onChange={(event) => (scope.value = event.currentTarget.value as Schemas["Scope"])}>
          {(Object.keys(SCOPES) as Schemas["Scope"][]).map((scope) => (
            <option key={scope} value={scope}>
              {scope}: {SCOPES[scope]}
            </option>
          ))}
        </select>
        {wrong.value && (
          <p class="field-problem" role="alert">
            {wrong.value}
          </p>
        )}
        <div class="dialog-buttons">
          <Button onClick={onClose}>Close</Button>
          <Button kind="main" type="submit">
            Make the key
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function Made({ secret, onClose }: { secret: string; onClose: () => void }) {
  const copy = () =>
    navigator.clipboard.writeText(secret).then(
      () => say("Copied"),
      () => say("The browser does not let us copy: mark the key and copy it", { bad: true }),
    );
  return (
    <Dialog title="The new key" onClose={onClose}>
      <p>Copy it now: nobody can show it again.</p>
      <pre class="secret">{secret}</pre>
      <div class="dialog-buttons">
        {/* Only where the page came safely is there a clipboard. */}
        {isSecureContext && <Button onClick={() => void copy()}>Copy</Button>}
        <Button kind="main" onClick={onClose}>
          I have it
        </Button>
      </div>
    </Dialog>
  );
}
