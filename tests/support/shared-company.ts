/** One constellation for every test of tests/e2e, tests/cli and tests/browser of a run: started when first asked for. */
import { openCompany, type Company } from '../src/company.ts';
import { openRival, type Rival } from './rival.ts';

/** Booting under the load of other suites. */
export const BOOT_TIMEOUT_MS = 120_000;

const opened: { company?: Promise<Company>; rival?: Promise<Rival> } = {};

/** The company everybody shares: each test works with people, projects and flags of its own. */
export const sharedCompany = async (): Promise<Company> => {
  opened.company ??= openCompany();
  return await opened.company;
};

/** Another organisation of the same deployment. */
export const sharedRival = async (): Promise<Rival> => {
  const company = await sharedCompany();
  opened.rival ??= openRival(company);
  return await opened.rival;
};

// A hook of the whole run: nothing is left behind, whichever test asked for the constellation.
after(async function () {
  this.timeout(BOOT_TIMEOUT_MS);
  const [company] = await Promise.allSettled([opened.company]);
  if (company.status === 'fulfilled') await company.value?.close();
});
