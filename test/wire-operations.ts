// What `virtual:operations` is in tests. The build has a plugin for it (web/vite.config.ts), with which Vitest would
// put all contracts into its configuration at each start.
import { contract } from '../src/api/contract.ts'
import { describeWireOperations } from '../src/client/operations.ts'

export default describeWireOperations(contract)
