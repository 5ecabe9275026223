declare module '*.css'

declare module 'virtual:operations' {
  const operations: Readonly<Record<string, import('../src/client/operations.ts').WireOperation>>
  export default operations
}
