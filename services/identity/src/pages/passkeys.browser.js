// Passkey ceremonies. A button (or form) says in its data attributes where the options come from and where the answer
// goes; nothing else is known here.
//
//   data-passkey="get" or "create"   data-options, data-finish: paths of our API
//   data-half, data-return-to        sent along when they are there
//   data-name-from                   id of the field with the new passkey's name

const toBytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
const withBytes = (list) => (list ?? []).map((item) => ({ ...item, id: toBytes(item.id) }));

const asJson = (credential, response) => ({
  id: credential.id,
  rawId: toText(credential.rawId),
  type: credential.type,
  clientExtensionResults: {},
  response: { clientDataJSON: toText(credential.response.clientDataJSON), ...response },
});

const create = async (options) => {
  const credential = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      user: { ...options.user, id: toBytes(options.user.id) },
      excludeCredentials: withBytes(options.excludeCredentials),
    },
  });
  const { response } = credential;
  return asJson(credential, {
    attestationObject: toText(response.attestationObject),
    transports: response.getTransports?.() ?? [],
  });
};

const get = async (options) => {
  const credential = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      allowCredentials: withBytes(options.allowCredentials),
    },
  });
  const { response } = credential;
  return asJson(credential, {
    authenticatorData: toText(response.authenticatorData),
    signature: toText(response.signature),
    ...(response.userHandle === null ? {} : { userHandle: toText(response.userHandle) }),
  });
};

const send = async (path, body) => {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.detail ?? said.title);
  return said;
};

const tell = (text) => {
  const place = document.getElementById('passkey-problem');
  if (place === null) return;
  place.textContent = text;
  place.hidden = false;
};

const text = (tag, content) => {
  const element = document.createElement(tag);
  element.textContent = content;
  return element;
};

/** Recovery codes are shown before anything else happens: they are not shown again. */
const showCodes = (codes, location) => {
  const main = document.querySelector('main');
  const list = document.createElement('ul');
  list.className = 'codes';
  list.append(...codes.map((code) => text('li', code)));
  const onward = text('a', 'I have kept them: continue');
  onward.className = 'button';
  onward.href = location;
  const title = text('h1', 'Your recovery codes');
  title.tabIndex = -1;
  main.replaceChildren(
    title,
    text('p', 'Each works once, in place of your authenticator app or passkey. They are not shown again.'),
    list,
    onward,
  );
  title.focus();
};

const run = async ({ passkey, options, finish, half, returnTo, nameFrom }) => {
  const extra = { ...(half === undefined ? {} : { half }), ...(returnTo === undefined ? {} : { returnTo }) };
  const { publicKey } = await send(options, extra);
  const response = await (passkey === 'create' ? create(publicKey) : get(publicKey));
  const name = nameFrom === undefined ? {} : { name: document.getElementById(nameFrom).value.trim() || 'Passkey' };
  const { location: onward, recoveryCodes } = await send(finish, { ...extra, ...name, response });
  if (recoveryCodes?.length > 0) showCodes(recoveryCodes, onward);
  else location.assign(onward);
};

const isSupported = 'PublicKeyCredential' in globalThis;
for (const element of document.querySelectorAll('[data-passkey-part]')) element.hidden = !isSupported;
for (const button of document.querySelectorAll('button[data-passkey]')) {
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      await run(button.dataset);
    } catch (error) {
      // What browsers say when somebody cancels, or has none, is the same on purpose, and not for people.
      tell(error instanceof DOMException ? 'No passkey was used. Try again, or sign in another way.' : error.message);
    } finally {
      button.disabled = false;
    }
  });
}
