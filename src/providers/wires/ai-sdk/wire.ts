import type { Shape } from '../../../model/gateway/shape.ts'
import type { Wire } from '../../provider.ts'
import type { Dialect } from './dialect.ts'

/** Makes the wire that speaks a dialect. */
export const aiSdkWire = (shapes: readonly Shape[], dialect: Dialect): Wire => ({
  shapes,
  load: async () => (await import('./protocol.ts')).protocolOf(dialect),
})
