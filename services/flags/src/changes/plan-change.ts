import { AppError, type FieldError } from '@sallyport/errors';

import {
  checkConfiguration,
  checkVariants,
  type Flag,
  type FlagConfiguration,
  type FlagDefinition,
} from '../flags/index.ts';
import { demandsReview, type Environment } from '../projects/index.ts';
import { canonicalJson, type JsonValue } from '../vocabulary/index.ts';
import { type ChangeContent, toContent } from './content.ts';
import type { Operation, OperationInput } from './operation.ts';

/** What the author looked at: the project's environments, and the flags the operations name, by key. */
export interface ProjectView {
  readonly orgId: string;
  readonly projectId: string;
  readonly environments: readonly Environment[];
  readonly flags: ReadonlyMap<string, Flag>;
}

export interface ChangePlan {
  readonly content: ChangeContent;
  /** Touched environments, and those of them that demand approvals. */
  readonly touched: readonly Environment[];
  readonly reviewed: readonly Environment[];
  /** True when carrying it out would change nothing. */
  readonly isNoOp: boolean;
}

/** The flag as it stands after the operations planned so far. */
interface DraftFlag {
  readonly flagId: string;
  readonly key: string;
  readonly type: Flag['type'];
  readonly base: Flag | undefined;
  definition: FlagDefinition;
  readonly configurations: Map<string, FlagConfiguration>;
  isDeleted: boolean;
}

const isSame = (left: unknown, right: unknown): boolean =>
  canonicalJson(left as JsonValue) === canonicalJson(right as JsonValue);

const invalid = (fields: readonly FieldError[]): AppError =>
  new AppError('INVALID_REQUEST', fields[0]?.detail ?? 'The change is not valid.', { fields });

/** Plans operations one after the other against a draft of the project; refuses the first that cannot be carried out. */
class Planner {
  readonly #view: ProjectView;
  readonly #newId: () => string;
  readonly #drafts = new Map<string, DraftFlag>();
  readonly #touched = new Map<string, Set<string>>();
  readonly operations: Operation[] = [];
  isNoOp = true;

  constructor(view: ProjectView, createId: () => string) {
    this.#view = view;
    this.#newId = createId;
  }

  add(input: OperationInput, at: string): void {
    switch (input.kind) {
      case 'create-flag':
        this.#create(input, at);
        break;
      case 'add-flag':
        this.#addTo(input, at);
        break;
      case 'edit-flag':
        this.#edit(input, at);
        break;
      case 'set-state':
      case 'set-targeting':
        this.#configure(input, at);
        break;
      case 'archive-flag':
      case 'restore-flag':
      case 'delete-flag':
        this.#retire(input);
        break;
    }
  }

  finish(): ChangePlan {
    const touchedIds = new Set([...this.#touched.values()].flatMap((ids) => [...ids]));
    const touched = this.#view.environments.filter(({ environmentId }) => touchedIds.has(environmentId));
    const content = toContent({
      organization: this.#view.orgId,
      project: this.#view.projectId,
      changes: this.operations,
      base: [...this.#drafts.values()].map((draft) => ({
        flagId: draft.flagId,
        version: draft.base?.version ?? 0,
        environments: [...(this.#touched.get(draft.flagId) ?? [])].map((environmentId) => ({
          environmentId,
          version: draft.base?.environments.get(environmentId)?.version ?? 0,
        })),
      })),
      environments: touched.map(({ environmentId, key, ruleVersion }) => ({ environmentId, key, ruleVersion })),
    });
    return { content, touched, reviewed: touched.filter(demandsReview), isNoOp: this.isNoOp };
  }

  #create(input: Extract<OperationInput, { kind: 'create-flag' }>, at: string): void {
    if (this.#view.flags.has(input.flag) || this.#drafts.has(input.flag))
      throw new AppError('ALREADY_EXISTS', `The project has a flag ${input.flag} already.`);
    const environments = input.environments?.map((key) => this.#environment(key)) ?? this.#view.environments;
    const draft: DraftFlag = {
      flagId: this.#newId(),
      key: input.flag,
      type: input.type,
      base: undefined,
      definition: {
        variants: input.variants,
        description: input.description ?? '',
        tags: input.tags ?? [],
        owner: input.owner ?? null,
        clientVisible: input.clientVisible ?? false,
        archived: false,
      },
      configurations: new Map(),
      isDeleted: false,
    };
    this.#refuse(checkVariants(draft.type, input.variants, at));
    this.#drafts.set(draft.key, draft);
    this.#push({
      kind: 'create-flag',
      ...this.#named(draft),
      type: draft.type,
      definition: draft.definition,
      environments: this.#place(draft, environments, input.defaultVariant ?? null, at),
    });
    this.#touch(draft, environments);
  }

  #addTo(input: Extract<OperationInput, { kind: 'add-flag' }>, at: string): void {
    const draft = this.#active(input.flag);
    const environments = input.environments.map((key) => this.#environment(key));
    const present = environments.find(({ environmentId }) => draft.configurations.has(environmentId));
    if (present !== undefined)
      throw new AppError('ALREADY_EXISTS', `The flag ${draft.key} is in the environment ${present.key} already.`);
    const placed = this.#place(draft, environments, input.defaultVariant ?? null, at);
    this.#push({ kind: 'add-flag', ...this.#named(draft), environments: placed });
    this.#touch(draft, environments);
  }

  // A new flag starts switched off: until somebody toggles it, applications keep the default in their code.
  #place(
    draft: DraftFlag,
    environments: readonly Environment[],
    defaultVariant: string | null,
    at: string,
  ): { environmentId: string; configuration: FlagConfiguration }[] {
    const configuration: FlagConfiguration = { state: 'DISABLED', rules: [], defaultVariant };
    this.#refuse(checkConfiguration(draft.definition.variants, configuration, at));
    return environments.map(({ environmentId }) => {
      draft.configurations.set(environmentId, configuration);
      return { environmentId, configuration };
    });
  }

  #edit(input: Extract<OperationInput, { kind: 'edit-flag' }>, at: string): void {
    const draft = this.#active(input.flag);
    this.#refuseNew(draft);
    const { definition } = draft;
    const edited: FlagDefinition = {
      variants: input.variants ?? definition.variants,
      description: input.description ?? definition.description,
      tags: input.tags ?? definition.tags,
      owner: input.owner === undefined ? definition.owner : input.owner,
      clientVisible: input.clientVisible ?? definition.clientVisible,
      archived: definition.archived,
    };
    this.#refuse(checkVariants(draft.type, edited.variants, at));
    for (const [environmentId, configuration] of draft.configurations) {
      const problems = checkConfiguration(
        edited.variants,
        configuration,
        `${at}/environments/${this.#keyOf(environmentId)}`,
      );
      this.#refuse(problems);
    }
    this.#push({ kind: 'edit-flag', ...this.#named(draft), definition: edited }, isSame(definition, edited));
    draft.definition = edited;
    this.#touch(draft, this.#environmentsOf(draft));
  }

  #configure(input: Extract<OperationInput, { kind: 'set-state' | 'set-targeting' }>, at: string): void {
    const draft = this.#active(input.flag);
    const environment = this.#environment(input.environment);
    const { environmentId } = environment;
    const current = draft.configurations.get(environmentId);
    if (current === undefined)
      throw new AppError('NOT_FOUND', `The flag ${draft.key} is not in the environment ${environment.key}.`);
    const next: FlagConfiguration =
      input.kind === 'set-state'
        ? { ...current, state: input.state }
        : {
            ...current,
            rules: input.rules ?? current.rules,
            defaultVariant: input.defaultVariant === undefined ? current.defaultVariant : input.defaultVariant,
          };
    this.#refuse(checkConfiguration(draft.definition.variants, next, at));
    const { state, rules, defaultVariant } = next;
    const on = { ...this.#named(draft), environmentId };
    const operation: Operation =
      input.kind === 'set-state'
        ? { kind: 'set-state', ...on, state }
        : { kind: 'set-targeting', ...on, rules, defaultVariant };
    this.#push(operation, isSame(current, next));
    draft.configurations.set(environmentId, next);
    this.#touch(draft, [environment]);
  }

  #retire({ kind, flag }: Extract<OperationInput, { kind: 'archive-flag' | 'restore-flag' | 'delete-flag' }>): void {
    const draft = this.#existing(flag);
    this.#refuseNew(draft);
    const { archived } = draft.definition;
    if (kind === 'delete-flag') {
      if (!archived) throw new AppError('CONFLICT', `The flag ${flag} must be archived before it is deleted.`);
      draft.isDeleted = true;
    } else draft.definition = { ...draft.definition, archived: kind === 'archive-flag' };
    this.#push({ kind, ...this.#named(draft) }, kind !== 'delete-flag' && archived === draft.definition.archived);
    this.#touch(draft, this.#environmentsOf(draft));
  }

  #existing(key: string): DraftFlag {
    const known = this.#drafts.get(key);
    const base = this.#view.flags.get(key);
    if (known?.isDeleted === true || (known === undefined && base === undefined))
      throw new AppError('NOT_FOUND', `The project has no flag ${key}.`);
    const draft = known ?? this.#load(base as Flag);
    this.#drafts.set(key, draft);
    return draft;
  }

  #active(key: string): DraftFlag {
    const draft = this.#existing(key);
    if (draft.definition.archived) throw new AppError('CONFLICT', `The flag ${key} is archived: restore it first.`);
    return draft;
  }

  #load(base: Flag): DraftFlag {
    const { flagId, key, type, definition } = base;
    const configurations = new Map([...base.environments].map(([id, { configuration }]) => [id, configuration]));
    return { flagId, key, type, base, definition, configurations, isDeleted: false };
  }

  // What such an operation touches is read from the stored flag, and there is none yet.
  #refuseNew({ base, key }: DraftFlag): void {
    if (base === undefined)
      throw new AppError('INVALID_REQUEST', `The flag ${key} is created by this change: create it as it should be.`);
  }

  #environment(key: string): Environment {
    const found = this.#view.environments.find((environment) => environment.key === key);
    if (found === undefined) throw new AppError('NOT_FOUND', `The project has no environment ${key}.`);
    return found;
  }

  #keyOf(environmentId: string): string {
    return (
      this.#view.environments.find((environment) => environment.environmentId === environmentId)?.key ?? environmentId
    );
  }

  #environmentsOf({ configurations }: DraftFlag): Environment[] {
    return this.#view.environments.filter(({ environmentId }) => configurations.has(environmentId));
  }

  #named({ flagId, key }: DraftFlag): { flagId: string; flagKey: string } {
    return { flagId, flagKey: key };
  }

  #push(operation: Operation, isNoOp = false): void {
    this.operations.push(operation);
    this.isNoOp &&= isNoOp;
  }

  #touch({ flagId }: DraftFlag, environments: readonly Environment[]): void {
    const touched = this.#touched.get(flagId) ?? new Set();
    for (const { environmentId } of environments) touched.add(environmentId);
    this.#touched.set(flagId, touched);
  }

  #refuse(problems: readonly FieldError[]): void {
    if (problems.length > 0) throw invalid(problems);
  }
}

/**
 * Turns what a caller wants into the content of a change set: validated, with base versions, touched environments and
 * the permissions it needs. Pure but for the ids of new flags, which `newId` makes.
 *
 * @throws NOT_FOUND, ALREADY_EXISTS, CONFLICT or INVALID_REQUEST (with pointers) for the first impossible operation
 */
export const planChange = (view: ProjectView, inputs: readonly OperationInput[], newId: () => string): ChangePlan => {
  const planner = new Planner(view, newId);
  for (const [index, input] of inputs.entries()) planner.add(input, `/changes/${String(index)}`);
  return planner.finish();
};
