import type { Person } from '../directory/people.ts';
import { html, initials, page } from './html.ts';

/** Who may be picked on a sign-in page and where the choice is posted. */
export interface SignInChoice {
  readonly action: string;
  /** Hidden fields sent along with the choice. */
  readonly hidden: Readonly<Record<string, string>>;
  readonly people: readonly Person[];
  readonly maySignIn: (person: Person) => boolean;
}

/** The page on which a person is picked; no password, this company trusts everybody. */
export function signInPage(choice: SignInChoice): string {
  const hidden = Object.entries(choice.hidden).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`,
  );
  const people = choice.people.map((person) => {
    const allowed = choice.maySignIn(person);
    const status = person.active ? (person.assigned ? '' : 'not assigned to this application') : 'deactivated';
    return html`<li>
      <button class="person-choice" name="as" value="${person.key}" ${allowed ? null : html`disabled`}>
        <span class="avatar" aria-hidden="true">${initials(person)}</span>
        <span class="person-name">Sign in as ${person.displayName}</span>
        <span class="muted">${person.userName}${status === '' ? null : html` · ${status}`}</span>
      </button>
    </li>`;
  });
  const body = html`<body class="narrow">
    <main>
      <p class="brand">Acme <span class="muted">demo identity provider</span></p>
      <h1>Who are you?</h1>
      <form method="post" action="${choice.action}">
        ${hidden}
        <ul class="choices">
          ${people}
        </ul>
      </form>
    </main>
  </body>`;
  return page('Sign in · Acme demo identity provider', body, null);
}

/** A form that posts itself to a service provider, with a button where scripts are off. */
export function postingPage(action: string, fields: Readonly<Record<string, string>>): string {
  const inputs = Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`,
  );
  const body = html`<body class="narrow">
    <main>
      <p class="brand">Acme <span class="muted">demo identity provider</span></p>
      <h1>Signing you in…</h1>
      <form method="post" action="${action}" data-submit-at-once>
        ${inputs}
        <p><button class="primary">Continue</button></p>
      </form>
    </main>
  </body>`;
  return page('Signing in · Acme demo identity provider', body, '/assets/continue.js');
}

/** A page that says what went wrong. */
export function problemPage(heading: string, message: string): string {
  const body = html`<body class="narrow">
    <main>
      <p class="brand">Acme <span class="muted">demo identity provider</span></p>
      <h1>${heading}</h1>
      <p class="notice" role="alert">${message}</p>
      <p><a href="/">Back to the company</a></p>
    </main>
  </body>`;
  return page(`${heading} · Acme demo identity provider`, body, null);
}
