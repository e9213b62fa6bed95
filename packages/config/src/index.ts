/**
 * Settings from the environment: typed, checked all at once, never guessed.
 *
 * Owns: the kinds of settings, reading them, explaining what is wrong, the table of the reference. Does not own: which
 * settings there are (each program's `config.ts`).
 */
export {
  ConfigError,
  defineConfig,
  describeConfig,
  readConfig,
  type Config,
  type ConfigDefinition,
  type Environment,
  type ReadConfigOptions,
} from './config.ts';
export { setting, type Parsed, type Setting, type SettingOptions } from './setting.ts';
