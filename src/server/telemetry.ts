import type { TraceExport } from '../background/trace-export/trace-export.ts'
import { version } from '../lib/version.ts'
import type { ModelKind } from '../model/gateway/model-calls.ts'
import type { GenAiOperation } from '../traces/genai-attributes.ts'
import { traceSampler } from './engine-options.ts'
import { addressOf } from './models-from-settings.ts'
import { makeOutboundNetwork } from './outbound-network.ts'
import type { ServerCore } from './server-core.ts'

/** What kinds of model calls are called by the conventions for GenAI. */
const operations: Record<ModelKind, GenAiOperation> = {
  chat: 'chat',
  embeddings: 'embeddings',
  images: 'generate_content',
  prediction: 'generate_content',
}

const operationOf =
  (activities: ServerCore['activities']) =>
  (name: string): GenAiOperation | undefined => {
    const activity = activities.get(name)
    if (activity?.carriesOut === 'runbook') return 'invoke_agent'
    return activity?.asks && operations[activity.asks.kind]
  }

/** Opens the export of traces to the collector that the operator has set; undefined without one. */
export const openTraceExport = async (core: ServerCore): Promise<TraceExport | undefined> => {
  const { settings, engine, log } = core
  const url = settings.otlpEndpoint
  const sampler = traceSampler(settings)
  if (url === undefined || !sampler) return undefined
  const { makeTraceExport } = await import('../background/trace-export/trace-export.ts')
  const network = makeOutboundNetwork({ allowPrivateNetwork: [addressOf(url)] })
  const traces = makeTraceExport({
    database: core.database.database,
    open: network.open,
    collector: {
      url,
      headers: settings.otlpHeaders ?? {},
      format: settings.otlpProtocol === 'http/json' ? 'json' : 'protobuf',
      isCompressed: settings.otlpCompression === 'gzip',
      timeoutMs: settings.otlpTimeoutMs,
    },
    operationOf: operationOf(core.activities),
    sampler,
    contentCharacters: settings.otlpContents ? settings.otlpValueCharacters : 0,
    limits: { spans: settings.otlpBatchSpans, bytes: settings.otlpBatchBytes },
    resource: {
      ...settings.otelResourceAttributes,
      'service.name': settings.otelServiceName,
      'service.version': version,
    },
    version,
    lookFor: engine.lookFor,
    log,
  })
  await traces.begin()
  return traces
}
