import type { Dispatcher } from 'undici'
import { findProvider } from './catalogue.ts'
import { namedWithProvider } from './models/names.ts'
import { resolveProvider } from './models/resolve.ts'
import { unroutable } from './models/unroutable.ts'
import { replicate } from './predictions.ts'
import { hasPrice } from './prices/prices.ts'
import type { LookUpVariable, Models } from './provider.ts'

interface Ways {
  agent(trusted: boolean): Promise<Dispatcher>
  serverUrl: LookUpVariable
  lentKeys?: LookUpVariable
}

/** Makes `Models.account`: resolves a provider for requests in its own API, with the key in the header of that API. */
export const makeAccounts =
  ({ agent, serverUrl, lentKeys = () => undefined }: Ways): Models['account'] =>
  async ({ provider: id, model: written }, caller) => {
    const asked = { provider: id, model: written ?? '' }
    const provider = id === replicate.id ? replicate : findProvider(id)
    if (!provider) throw unroutable(asked, { variables: [], problem: `there is no provider '${id}'` }, [])
    const own = namedWithProvider(id, asked.model, caller.env).find((one) => one.provider === provider)
    const model = own?.model ?? asked.model
    const at = { env: (name: string) => caller.env(name), lent: caller.lent?.bind(caller), serverUrl, lentKeys }
    const found = resolveProvider({ ...provider, paths: {} }, { model }, at)
    if (!('url' in found)) throw unroutable(asked, found, [])
    const { url, trusted } = found
    if (written !== undefined) {
      await caller.admit?.({ provider: provider.id, model, url, trusted, hasPrice: () => hasPrice(provider, model) })
    }
    return { ...found, provider, agent: await agent(trusted) }
  }
