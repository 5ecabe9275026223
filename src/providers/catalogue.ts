import { clouds } from './catalogue/clouds.ts'
import { gateways } from './catalogue/gateways.ts'
import { hosts } from './catalogue/hosts.ts'
import { makers } from './catalogue/makers.ts'
import type { Provider } from './provider.ts'
import { scriptedWire } from './wires/scripted.ts'

/** Every provider that is known by name. Any other is reached as `custom/<name>/<model>`. */
export const catalogue: readonly Provider[] = [...makers, ...clouds, ...hosts, ...gateways]

/** Built-in models that need no key and answer by a fixed rule. Their name says everywhere that they are no real models. */
export const scriptedProvider: Provider = {
  id: 'scripted',
  name: 'scripted (no real model)',
  aliases: [],
  base_url: '',
  paths: {},
  keys: [],
  auth: 'bearer',
  wire: scriptedWire,
  schema_mode: true,
  source: 'this server',
}

const byId = new Map(catalogue.flatMap((one) => [one.id, ...one.aliases].map((id) => [id, one] as const)))

/** Finds a provider by its id or an alias. */
export const findProvider = (id: string): Provider | undefined => byId.get(id.toLowerCase())
