export * from './gen/sallyport/flags/v1/operator.ts';
