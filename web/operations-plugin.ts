import type { Plugin } from 'vite'
import { contract } from '../src/api/contract.ts'
import { describeWireOperations } from '../src/client/operations.ts'

/** Serves `virtual:operations`: what the client needs to make requests, without the schemas and texts of the contract. */
export const operationsPlugin = (): Plugin => {
  const id = '\0virtual:operations'
  const needed = JSON.stringify(describeWireOperations(contract))
  return {
    name: 'jetty-operations',
    resolveId: (source) => (source === 'virtual:operations' ? id : null),
    // As text for JSON.parse, which is faster to load than an object literal of this size.
    load: (loaded) => (loaded === id ? `export default JSON.parse(${JSON.stringify(needed)})` : null),
  }
}
