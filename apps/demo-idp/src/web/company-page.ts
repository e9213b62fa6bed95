import { type PersonView, type TargetsView } from '../api/views.ts';
import type { LogEntry } from '../exchange-log.ts';
import { html, type Html, initials, page } from './html.ts';
import { formatMs, logItems } from './log-page.ts';

/** Everything the page shows. */
export interface CompanyView {
  readonly people: readonly PersonView[];
  readonly groups: readonly { readonly key: string; readonly name: string }[];
  readonly targets: TargetsView;
  readonly log: readonly LogEntry[];
}

/** The page of the demo company; every control is a form, so that it works without scripts. */
export function companyPage(view: CompanyView): string {
  const active = view.people.filter((person) => person.active && person.assigned).length;
  const body = html`<body>
    <a class="skip" href="#people">Skip to the people</a>
    ${header(view.targets)}
    <p id="status" class="visually-hidden" role="status"></p>
    <div class="columns">
      <main id="company" tabindex="-1">
        ${targetsCard(view.targets)}
        <div class="section-head">
          <h2 id="people">People</h2>
          <p class="muted">${active} of ${view.people.length} may sign in</p>
        </div>
        <ul class="people">
          ${view.people.map((person) => personCard(person, view.groups))}
        </ul>
      </main>
      <aside aria-labelledby="log-heading">
        <div class="section-head">
          <h2 id="log-heading">What was sent</h2>
          <p class="muted">newest first</p>
        </div>
        <ol id="log" class="log" role="log" aria-label="Exchanges with the application">
          ${logItems(view.log)}
        </ol>
        <p class="log-empty muted">Nothing yet. Provision everybody, or switch somebody off.</p>
      </aside>
    </div>
  </body>`;
  return page('Acme · demo identity provider', body, '/assets/page.js');
}

function header(targets: TargetsView): Html {
  const choices = [
    ['okta', 'Okta'],
    ['entra', 'Entra ID'],
  ] as const;
  return html`<header class="top">
    <div>
      <h1>Acme</h1>
      <p class="muted">A company's identity provider, played for demonstrations</p>
    </div>
    <form class="segmented" method="post" action="/ui/flavor" aria-label="Which identity provider is played">
      ${choices.map(
        ([value, label]) =>
          html`<button name="flavor" value="${value}" aria-pressed="${targets.flavor === value ? 'true' : 'false'}">
            ${label}
          </button>`,
      )}
    </form>
    <form class="actions" method="post" action="/ui/provision">
      <button class="primary" name="full" value="false">Provision everybody</button>
      <button name="full" value="true">Full re-sync</button>
    </form>
  </header>`;
}

function targetsCard({ scim, saml, oidc }: TargetsView): Html {
  const rows: readonly (readonly [string, string | null])[] = [
    ['SCIM', scim === null ? null : `${scim.baseUrl}${scim.profile === null ? '' : ` (${scim.profile})`}`],
    ['SAML', saml?.acsUrl ?? null],
    ['OpenID Connect', oidc?.redirectUris[0] ?? null],
  ];
  return html`<section class="card targets" aria-label="The application">
    <dl>
      ${rows.map(
        ([name, value]) =>
          html`<div>
            <dt>${name}</dt>
            <dd>${value === null ? html`<span class="muted">not configured</span>` : html`<code>${value}</code>`}</dd>
          </div>`,
      )}
    </dl>
  </section>`;
}

function personCard(person: PersonView, groups: CompanyView['groups']): Html {
  const off = !person.active || !person.assigned;
  return html`<li id="person-${person.key}" class="card person ${off ? 'is-off' : ''}">
    <span class="avatar" aria-hidden="true">${initials(person)}</span>
    <div class="person-head">
      <h3>${person.displayName}</h3>
      <p class="muted">${person.userName}</p>
    </div>
    ${activeSwitch(person)}
    <div class="person-groups">${memberChips(person)} ${addToGroup(person, groups)} ${assignment(person)}</div>
    ${syncLine(person)}
  </li>`;
}

function activeSwitch(person: PersonView): Html {
  const action = person.active ? 'deactivate' : 'activate';
  return html`<form method="post" action="/ui/people/${person.key}/${action}" class="switch-form">
    <button
      id="switch-${person.key}"
      class="switch"
      role="switch"
      aria-checked="${person.active ? 'true' : 'false'}"
      aria-label="${person.displayName} is active"
      data-say="${person.displayName} ${person.active ? 'deactivated' : 'activated'}"
    >
      <span class="switch-track" aria-hidden="true"></span>
      <span class="switch-text" aria-hidden="true">${person.active ? 'Active' : 'Deactivated'}</span>
    </button>
  </form>`;
}

function memberChips(person: PersonView): Html {
  const chips = person.groups.map(
    (group) =>
      html`<li>
        <form method="post" action="/ui/members" class="chip">
          <span>${group.name}</span>
          <input type="hidden" name="person" value="${person.key}" />
          <input type="hidden" name="group" value="${group.key}" />
          <button
            name="member"
            value="false"
            aria-label="Remove ${person.displayName} from ${group.name}"
            data-say="${person.displayName} removed from ${group.name}"
          >
            ×
          </button>
        </form>
      </li>`,
  );
  return chips.length === 0
    ? html`<p class="muted no-groups">in no group</p>`
    : html`<ul class="chips" aria-label="Groups of ${person.displayName}">
        ${chips}
      </ul>`;
}

function addToGroup(person: PersonView, groups: CompanyView['groups']): Html | null {
  const others = groups.filter((group) => !person.groups.some((own) => own.key === group.key));
  if (others.length === 0) return null;
  return html`<form method="post" action="/ui/members" class="add-group">
    <input type="hidden" name="person" value="${person.key}" />
    <input type="hidden" name="member" value="true" />
    <label class="visually-hidden" for="group-for-${person.key}">Add ${person.displayName} to a group</label>
    <select id="group-for-${person.key}" name="group">
      ${others.map((group) => html`<option value="${group.key}">${group.name}</option>`)}
    </select>
    <button id="add-${person.key}" data-say="${person.displayName} added to the group">Add</button>
  </form>`;
}

function assignment(person: PersonView): Html {
  const action = person.assigned ? 'unassign' : 'assign';
  return html`<form method="post" action="/ui/people/${person.key}/${action}">
    <button id="assign-${person.key}" class="quiet" data-say="${person.displayName} ${action}ed">
      ${person.assigned ? 'Unassign from application' : 'Assign to application'}
    </button>
  </form>`;
}

function syncLine({ lastSync }: PersonView): Html | null {
  if (lastSync === null) return null;
  const answer = lastSync.status === null ? 'nothing had to be sent' : `answered ${String(lastSync.status)}`;
  return html`<p class="sync ${lastSync.ok ? 'is-good' : 'is-bad'}">
    ${lastSync.action}: ${lastSync.ok ? answer : (lastSync.message ?? 'failed')} · ${formatMs(lastSync.ms)}
  </p>`;
}
