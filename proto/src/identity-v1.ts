export * from './gen/sallyport/identity/v1/introspection.ts';
export * from './gen/sallyport/identity/v1/operator.ts';
export * from './gen/sallyport/identity/v1/subject_feed.ts';
