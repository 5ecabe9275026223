import type { Environment } from '../../engine/environment/environment.ts'
import { writePieces } from '../../lib/json/large-json.ts'
import type { Pieces } from '../../lib/slices.ts'
import { addCallUsage } from '../../model/gateway/model-totals.ts'
import type { ObservedPrices } from '../../providers/provider.ts'
import type { ObservedSpan } from '../../store/runs/traces.ts'
import { readSpan } from '../../traces/conventions.ts'
import type { Span } from '../../traces/otlp.ts'

/** What attributes are read with: the secrets that are struck out, and prices. */
export type Reader = Pick<Environment, 'scrub'> & { prices: ObservedPrices }

/** What a step has of the attributes of its span. */
type ReadStep = Pick<ObservedSpan, 'kind' | 'model' | 'inputs' | 'outputs' | 'usage' | 'costFrom' | 'answerId'> & {
  labels: Readonly<Record<'user' | 'session', string | undefined>>
}

/** Reads the attributes of a span as a step, without secrets. */
export function* readStep(span: Pick<Span, 'attributes'>, { scrub, prices }: Reader): Pieces<ReadStep> {
  const { kind, inputs, outputs, call, tokens, statedUsd, answerId, user, session } = readSpan(span)
  const usd = statedUsd ?? (call && tokens ? prices(call, tokens) : null)
  const isCounted = tokens !== undefined || statedUsd !== undefined
  const answer = isCounted ? { ...outputs, usage: tokens ?? null, cost_usd: usd } : outputs
  const inputsText = scrub.jsonText(yield* writePieces(inputs))
  yield
  const outputsText = scrub.jsonText(yield* writePieces(answer))
  yield
  return {
    kind,
    model: call && scrub.text(call.model).replaceAll('\0', '').slice(0, 200),
    inputs: inputsText,
    outputs: outputsText,
    usage: isCounted ? addCallUsage(undefined, tokens, usd) : undefined,
    answerId: answerId?.replaceAll('\0', '').slice(0, 200),
    costFrom: usd === null ? undefined : statedUsd === undefined ? 'prices' : 'sender',
    labels: { user, session },
  }
}
