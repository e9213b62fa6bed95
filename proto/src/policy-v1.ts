export * from './gen/sallyport/policy/v1/decision.ts';
export * from './gen/sallyport/policy/v1/decision_log.ts';
export * from './gen/sallyport/policy/v1/operator.ts';
export * from './gen/sallyport/policy/v1/ownership.ts';
export * from './gen/sallyport/policy/v1/query.ts';
export * from './gen/sallyport/policy/v1/scope.ts';
