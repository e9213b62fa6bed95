import type { FlagConfiguration, FlagDefinition, FlagType } from './definition.ts';

/** A configuration and the number of its version. */
export interface CurrentConfiguration {
  readonly version: number;
  readonly configuration: FlagConfiguration;
}

/** A flag as its pointers name it now. */
export interface Flag {
  readonly flagId: string;
  readonly key: string;
  readonly type: FlagType;
  /** Version of the definition. */
  readonly version: number;
  readonly definition: FlagDefinition;
  /** By environment id; only environments the flag is in. */
  readonly environments: ReadonlyMap<string, CurrentConfiguration>;
  readonly createdAt: Date;
}
