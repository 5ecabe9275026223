declare module '*.css'

declare module 'virtual:operations' {
  const operations: import('../src/client/operations.ts').Operations
  export default operations
}
