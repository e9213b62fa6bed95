import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Frozen intrinsics cannot be thawed, so every check runs in a process of its own. */
const run = async (script: string): Promise<string> => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    cwd: import.meta.dirname,
  });
  return stdout.trim();
};

/** Prints how every attempt ended. Types are stripped, not checked, in a script that is given as text. */
const POLLUTE = `
const attempts = {
  prototype: () => { ({}).__proto__.polluted = 1; },
  constructorPrototype: () => { ({}).constructor.prototype.polluted = 1; },
  toString: () => { ({}).toString.polluted = 1; },
  callOfMethod: () => { ({}).valueOf.call.polluted = 1; },
  array: () => { [].__proto__.polluted = 1; },
  arrayMethod: () => { [].map.polluted = 1; },
  function: () => { (() => 1).__proto__.polluted = 1; },
  static: () => { Object.keys.polluted = 1; },
  override: () => { ({}).__proto__.toString = () => 'polluted'; },
  overrideConstructor: () => { Object.prototype.constructor = class {}; },
  redefine: () => { Object.defineProperty(Object.prototype, 'valueOf', { value: 1 }); },
  getter: () => { Object.getOwnPropertyDescriptor(Object.prototype, 'toString').get.polluted = 1; },
  protoSetter: () => { Object.getOwnPropertyDescriptor(Object.prototype, '__proto__').set.polluted = 1; },
  define: () => { Object.defineProperty(Object.prototype, 'polluted', { value: 1 }); },
};
const outcomes = Object.entries(attempts).map(([name, attempt]) => {
  try { attempt(); return [name, 'succeeded']; } catch (error) { return [name, error.name]; }
});
console.log(JSON.stringify(outcomes));
`;

describe('hardenProcess', () => {
  it('turns every way to pollute shared objects into a TypeError', async () => {
    const outcomes = async (script: string): Promise<string[][]> => JSON.parse(await run(script)) as string[][];
    const open = await outcomes(POLLUTE);
    // There is no getter to pollute before hardening puts one there.
    assert.deepEqual(
      open.filter(([, outcome]) => outcome !== 'succeeded'),
      [['getter', 'TypeError']],
    );
    assert.deepEqual(
      await outcomes(`import { hardenProcess } from '../src/index.ts'; hardenProcess(); ${POLLUTE}`),
      open.map(([attempt]) => [attempt, 'TypeError']),
    );
  });

  it('leaves every name free for objects of one’s own, whoever copies them', async () => {
    const output = await run(`
      import { z } from 'zod';
      import { hardenProcess } from '../src/index.ts';
      hardenProcess();
      const names = Object.getOwnPropertyNames(Object.prototype).filter((name) => name !== '__proto__');
      const given = Object.fromEntries(names.map((name) => [name, name]));
      const copies = [z.looseObject({}).parse(given), z.record(z.string(), z.string()).parse(given)];
      const assigned: Record<string, string> = {};
      for (const name of names) assigned[name] = name;
      class Named { declare toString: () => string; constructor() { this.toString = () => 'own'; } }
      const kept = [...copies, assigned].every((copy) => JSON.stringify(copy) === JSON.stringify(given));
      console.log(kept, String(new Named()), String({}), ({}).constructor === Object, Object.keys({}).length);
    `);
    assert.equal(output, 'true own [object Object] true 0');
  });

  it('leaves koa, zod, the router, the logger, metrics and fetch at work, and imports nothing afterwards', async () => {
    const output = await run(`
      import { registerHooks } from 'node:module';
      import { z } from 'zod';
      import { hardenProcess, openApi, route } from '../src/index.ts';
      import { BEARER, jsonInit, startApp } from './harness.ts';
      const edit = route({
        method: 'PUT', path: '/api/t/v1/:id', permission: 'thing:edit', surface: 'api', summary: 'x',
        params: z.object({ id: z.string() }),
        body: z.object({ a: z.array(z.object({ b: z.number().default(1) })), c: z.record(z.string(), z.unknown()) }),
        responses: { 200: z.object({ sum: z.number() }) },
        handler: ({ body }) => Promise.resolve({ status: 200, body: { sum: body.a.reduce((sum, { b }) => sum + b, 0) } }),
      });
      hardenProcess();
      const late: string[] = [];
      registerHooks({ resolve: (specifier, context, next) => { late.push(specifier); return next(specifier, context); } });
      const app = await startApp([edit]);
      const ok = await app.fetch('/api/t/v1/x', jsonInit('PUT', { a: [{}, { b: 2 }], c: { d: 1 } }));
      const bad = await app.fetch('/api/t/v1/x', jsonInit('PUT', '{"__proto__":1}'));
      const late404 = await app.fetch('/nowhere', { headers: BEARER });
      const metrics = await app.fetch('/metrics');
      openApi([edit], { title: 'x', version: '1' });
      console.log(JSON.stringify([ok.status, await ok.json(), bad.status, late404.status, metrics.status, late]));
      await app.close();
    `);
    assert.deepEqual(JSON.parse(output), [200, { sum: 3 }, 400, 404, 200, []]);
  });
});
