import { nearest } from '../../../lib/text/nearest.ts'
import { type ModelProvider, modelProviders, type RunbookFrontMatter } from '../../../model/runbooks/runbook.ts'
import { type RunbookAgent, runbookAgents } from '../../../model/runbooks/runbook-agents.ts'
import type { PreflightCheck, RunbookRequest } from '../../../model/runbooks/runbook-request.ts'
import type { RunbookPlace } from '../../../model/runbooks/runbook-run.ts'
import type { AgentModels } from '../../agents/agent.ts'
import { agentForModel, agents } from '../../agents/agents.ts'
import { hasModelForm, modelFault } from '../format/model-names.ts'
import { failed, ok, warned } from './checks.ts'

type AskedProvider = ModelProvider | 'scripted'

/** Variables that may hold a provider's key; the first is named in messages. */
export const keysOfProvider: Readonly<Record<ModelProvider, readonly [string, ...string[]]>> = {
  anthropic: ['ANTHROPIC_API_KEY'],
  openrouter: ['OPENROUTER_API_KEY'],
  openai: ['OPENAI_API_KEY'],
  google: ['GOOGLE_API_KEY', 'GEMINI_API_KEY'],
  bedrock: ['AWS_BEARER_TOKEN_BEDROCK'],
}

/** Variable of a provider's base URL; with a custom one, model names may have any form. */
const addressOfProvider: Readonly<Record<ModelProvider, string>> = {
  anthropic: 'ANTHROPIC_BASE_URL',
  openrouter: 'OPENROUTER_BASE_URL',
  openai: 'OPENAI_BASE_URL',
  google: 'GEMINI_BASE_URL',
  bedrock: 'BEDROCK_BASE_URL',
}

export interface Choice {
  agent: RunbookAgent
  model: string
  provider: AskedProvider
}

export interface ChosenAgent {
  /** Undefined when a check failed. */
  choice: Choice | undefined
  agent: string
  model: string | null
  provider: string | null
  checks: PreflightCheck[]
}

/** Keys and base URLs available where the runbook starts. */
export interface KeyPlace extends Pick<RunbookPlace, 'env' | 'lent'> {
  /** Base URLs from the server's environment, by variable. */
  serverUrl(variable: string): string | undefined
}

const written = (...texts: (string | null | undefined)[]): string | undefined =>
  texts.map((text) => text?.trim()).find(Boolean)

const isOf = <Name extends string>(names: readonly Name[], name: string): name is Name =>
  (names as readonly string[]).includes(name)

const keyOf = (provider: ModelProvider, place: KeyPlace): string | undefined =>
  keysOfProvider[provider].find((name) => place.env(name)?.trim() || place.lent?.(name))

const addressOf = (provider: ModelProvider, place: KeyPlace): string | undefined => {
  const variable = addressOfProvider[provider]
  return written(place.env(variable), place.serverUrl(variable))
}

/** With a custom base URL a model may have any name. */
const couldBeNamed = (model: string | undefined, provider: ModelProvider, place: KeyPlace): boolean =>
  model === undefined || hasModelForm(model, provider) || addressOf(provider, place) !== undefined

const inferProvider = (
  { preferred, providers }: AgentModels,
  model: string | undefined,
  place: KeyPlace,
): ModelProvider => {
  const reachable = preferred.filter((provider) => keyOf(provider, place) !== undefined)
  const fitting = reachable.find((provider) => couldBeNamed(model, provider, place))
  if (fitting) return fitting
  // Nothing fits: report the provider suggested by the key, or by the agent.
  const named = preferred.find((one) => model !== undefined && hasModelForm(model, one))
  return reachable[0] ?? named ?? providers[0]
}

const unknownAgent = (name: string): PreflightCheck => {
  const guess = nearest(name, runbookAgents)
  const known = `Known agents are ${runbookAgents.join(', ')}.`
  return failed('agent', `There is no agent '${name}'`, guess ? `Did you mean '${guess}'? ${known}` : known, 'agent')
}

const keyCheck = (provider: ModelProvider, place: KeyPlace): PreflightCheck => {
  const key = keyOf(provider, place)
  const address = addressOf(provider, place)
  const names = keysOfProvider[provider].join(' or ')
  if (key) return ok('key', address ? `${key}, for ${address}` : key)
  return failed(
    'key',
    `${names} is not configured, and calls of ${provider} need it`,
    `Set ${names}.`,
    'model_provider',
  )
}

/** Chooses agent, model and provider: the request overrides the runbook, which overrides inference. */
export const chooseAgent = (
  request: Pick<RunbookRequest, 'agent' | 'model' | 'model_provider'>,
  fields: RunbookFrontMatter,
  place: KeyPlace,
): ChosenAgent => {
  const wantedModel = written(request.model, fields.model)
  const agent = written(request.agent, fields.agent) ?? agentForModel(wantedModel ?? '').id
  const wantedProvider = written(request.model_provider, fields.model_provider)
  const none = { choice: undefined, agent, model: wantedModel ?? null, provider: wantedProvider ?? null }
  if (!isOf(runbookAgents, agent)) return { ...none, checks: [unknownAgent(agent)] }
  const { models } = agents[agent]
  if (!models) return withoutModel(written(request.model))

  if (wantedProvider !== undefined && !isOf(modelProviders, wantedProvider)) {
    const fix = `Write ${models.providers.join(' or ')}.`
    const found = `There is no model provider '${wantedProvider}'`
    return { ...none, checks: [ok('agent', agent), failed('model', found, fix, 'model_provider')] }
  }
  if (wantedModel !== undefined && /\p{Cc}/u.test(wantedModel)) {
    const found = `${JSON.stringify(wantedModel)} has characters that are not allowed in a model name`
    const fix = 'Use the name that its provider uses.'
    return { ...none, checks: [ok('agent', agent), failed('model', found, fix, 'model')] }
  }
  const provider = wantedProvider ?? inferProvider(models, wantedModel, place)
  const model = wantedModel ?? models.defaults[provider]
  const fault = modelFault({ agent, model, model_provider: provider })
  const isOurs = fault?.field === 'model' && addressOf(provider, place) !== undefined
  const checks = [ok('agent', agent)]
  if (fault && !isOurs) checks.push(failed('model', fault.message, fault.fix, fault.field))
  else if (model === undefined) {
    checks.push(
      failed('model', `No model is set, and ${agent} has no default model of ${provider}`, 'Set a model.', 'model'),
    )
  } else checks.push(ok('model', `${model} of ${provider}`))
  // For an unsupported provider no key would help.
  if (fault?.field !== 'model_provider') checks.push(keyCheck(provider, place))
  const isReady = model !== undefined && checks.every(({ state }) => state !== 'failed')
  return {
    choice: isReady ? { agent, model, provider } : undefined,
    agent,
    model: model ?? null,
    provider,
    checks,
  }
}

/** The scripted agent needs no model; the model a runbook names is for the agent that replaces it. */
const withoutModel = (asked: string | undefined): ChosenAgent => {
  const choice: Choice = { agent: 'scripted', model: 'scripted', provider: 'scripted' }
  const checks = [
    ok('agent', 'scripted: not a real agent; it runs the sh and bash blocks of the runbook'),
    asked === undefined || agents.scripted.modelPattern?.test(asked)
      ? ok('model', 'scripted: no model')
      : warned('model', `scripted uses no model; ${asked} is ignored`, 'Choose another agent for a model.', 'model'),
  ]
  return { choice, ...choice, checks }
}
