import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { ConfigDefinition } from '@sallyport/config';
import { NODE_FLAGS, SERVICE_NAMES } from '@sallyport/dev-env';
import { parse } from 'yaml';

import { migrateSettings, operatorSettings } from '../apps/operator/src/config.ts';
import { definition as flagsSettings } from '../services/flags/src/config.ts';
import { definition as identitySettings } from '../services/identity/src/config.ts';
import { definition as policySettings } from '../services/policy/src/config.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface ComposeService {
  readonly environment?: Readonly<Record<string, string>>;
  readonly build?: { readonly target: string; readonly dockerfile: string };
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
}

const compose = parse(read('deploy/compose/compose.yaml'), { merge: true }) as {
  readonly services: Readonly<Record<string, ComposeService>>;
};
const dockerfile = read('deploy/images/Dockerfile');
const targets = [...dockerfile.matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, name]) => name);

const SETTINGS: Readonly<Record<string, ConfigDefinition>> = {
  identity: identitySettings,
  policy: policySettings,
  flags: flagsSettings,
  migrate: migrateSettings,
  operator: operatorSettings,
};

describe('compose file', () => {
  for (const [name, definition] of Object.entries(SETTINGS)) {
    it(`gives ${name} every setting it requires and none that it does not know`, () => {
      const environment = Object.keys(compose.services[name]?.environment ?? {});
      const known = Object.values(definition).map((setting) => setting.name);
      const required = Object.values(definition).filter(({ fallback }) => fallback === undefined);
      assert.deepEqual(
        environment.filter((variable) => !known.includes(variable)),
        [],
      );
      assert.deepEqual(
        required.map((setting) => setting.name).filter((variable) => !environment.includes(variable)),
        [],
      );
    });
  }

  it('builds targets that the Dockerfile has', () => {
    for (const { build } of Object.values(compose.services)) {
      if (build === undefined) continue;
      assert.equal(build.dockerfile, 'deploy/images/Dockerfile');
      assert.ok(targets.includes(build.target), build.target);
    }
  });

  it('runs every process of ours without capabilities, without new privileges and on a read-only root', () => {
    for (const name of ['identity', 'policy', 'flags', 'origin', 'migrate']) {
      const service = compose.services[name];
      assert.equal(service?.read_only, true, name);
      assert.deepEqual(service.cap_drop, ['ALL'], name);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
    }
  });
});

describe('Dockerfile', () => {
  it('has a target per process, on Node 24, as an unprivileged user', () => {
    assert.deepEqual(targets, ['dependencies', 'base', 'identity', 'policy', 'flags', 'operator']);
    for (const [, image] of dockerfile.matchAll(/^FROM (node:\S+)/gm)) assert.match(image ?? '', /^node:24-/);
    assert.match(dockerfile, /^FROM base AS identity$/m);
    const base = dockerfile.slice(dockerfile.indexOf('AS base'), dockerfile.indexOf('AS identity'));
    assert.match(base, /^USER node$/m);
    assert.equal(/^USER root/m.test(dockerfile), false);
  });

  it('starts a service as everywhere else', () => {
    for (const name of SERVICE_NAMES) {
      const command = ['node', ...NODE_FLAGS, `services/${name}/src/main.ts`].map((word) => `"${word}"`).join(', ');
      assert.ok(
        dockerfile.includes(`FROM base AS ${name}\nCOPY services/${name}/ services/${name}/\nCMD [${command}]\n`),
      );
    }
  });

  it('is measured as it is started', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    assert.equal(scripts['bench'], ['node', ...NODE_FLAGS, 'bench/src/main.ts'].join(' '));
  });

  it('uses instructions that exist, and copies folders that exist', () => {
    const joined = dockerfile.replaceAll(/\\\n/g, ' ');
    for (const line of joined.split('\n').filter((text) => text.trim() !== '' && !text.startsWith('#'))) {
      const [instruction = '', ...words] = line.trim().split(/\s+/);
      assert.ok(
        ['FROM', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'USER', 'STOPSIGNAL', 'CMD', 'ENTRYPOINT'].includes(instruction),
        line,
      );
      if (instruction !== 'COPY' || words[0]?.startsWith('--from') === true) continue;
      for (const source of words.slice(0, -1)) assert.ok(globSync(source, { cwd: ROOT }).length > 0, source);
    }
  });

  it('leaves no workspace out of what is copied for npm ci', () => {
    const { workspaces } = JSON.parse(read('package.json')) as { workspaces: string[] };
    for (const pattern of workspaces) {
      const folder = pattern.replace('/*', '');
      assert.match(dockerfile, new RegExp(`^COPY ${folder}(/package\\.json)?/? `, 'm'), folder);
    }
  });
});

describe('origin of the compose file', () => {
  it('sends every path prefix to the service that owns it', () => {
    const conf = read('deploy/compose/origin.conf');
    const owner = (path: string): string | undefined =>
      new RegExp(`location (?:= )?${path.replaceAll('.', '\\.')} \\{ proxy_pass http://(\\w+):8080; \\}`).exec(
        conf,
      )?.[1];
    for (const path of ['/access/v1', '/.well-known/authzen-configuration', '/api/policy/v1'])
      assert.equal(owner(path), 'policy');
    for (const path of ['/ofrep/v1', '/api/flags/v1']) assert.equal(owner(path), 'flags');
    assert.equal(owner('/'), 'identity');
  });
});
