import { contract } from '../api/contract.ts'
import { version } from '../lib/version.ts'
import { describeWireOperations } from './operations.ts'

/** The operations of the server by name. The build replaces this file by its values, which load without any schema. */
export const wireOperations = describeWireOperations(contract)

/** Version of the package that this client came with. */
export const clientVersion: string = version
