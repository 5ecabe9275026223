import type { Registry } from 'prom-client'

/** Calls of this process to models. */
export interface ProviderMetricsSource {
  /** Names that the server knows. Those that collections invent are one: `custom`. */
  providers: readonly string[]
  models(): readonly { provider: string; model: string; calls: number; failures: number }[]
}

/** Registers the calls to models, by provider and model. */
export const registerProviders = (
  { Counter }: typeof import('prom-client'),
  registry: Registry,
  { providers, models }: ProviderMetricsSource,
): void => {
  const known = new Set(providers)
  const counter = (name: string, help: string, value: (model: { calls: number; failures: number }) => number) =>
    new Counter({
      name,
      help,
      labelNames: ['provider', 'model'],
      registers: [registry],
      collect() {
        this.reset()
        for (const one of models()) {
          const isKnown = known.has(one.provider)
          this.inc({ provider: isKnown ? one.provider : 'custom', model: isKnown ? one.model : 'other' }, value(one))
        }
      },
    })
  counter('jetty_model_calls_total', 'Requests to models that ended, by provider and model.', ({ calls }) => calls)
  counter(
    'jetty_model_failures_total',
    'Those that failed: a refused key, an exhausted limit, a fault of the provider, or no answer.',
    ({ failures }) => failures,
  )
}
