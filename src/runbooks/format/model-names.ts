import type { ModelProvider, RunbookFrontMatter } from '../../model/runbooks/runbook.ts'
import type { RunbookAgent } from '../../model/runbooks/runbook-agents.ts'

/** Whom each agent can ask. */
export const providersOfAgent: Readonly<Record<Exclude<RunbookAgent, 'scripted'>, readonly ModelProvider[]>> = {
  'claude-code': ['anthropic', 'bedrock', 'openrouter'],
  codex: ['openai', 'openrouter'],
  'gemini-cli': ['google', 'openrouter'],
  opencode: ['openrouter', 'anthropic', 'openai', 'google'],
}

interface NameForm {
  pattern: RegExp
  example: string
}

/** How each provider writes the names of its models. */
const formOf: Readonly<Record<ModelProvider, NameForm>> = {
  anthropic: { pattern: /^(claude-[a-z0-9.@:-]+|opus|sonnet|haiku)$/i, example: 'claude-sonnet-4-6' },
  openrouter: { pattern: /^~?[a-z0-9_.-]+\/[^\s/]+$/i, example: 'anthropic/claude-sonnet-4.6' },
  openai: { pattern: /^(gpt-|chatgpt-|codex-|o\d|ft:)[^\s/]*$/i, example: 'gpt-5.5' },
  google: { pattern: /^(models\/)?(gemini|gemma)-[^\s/]+$/i, example: 'gemini-3.1-pro-preview' },
  bedrock: {
    pattern: /^(arn:aws[a-z-]*:bedrock:|([a-z-]+\.)?[a-z0-9]+\.)[^\s]+$/i,
    example: 'us.anthropic.claude-sonnet-4-6',
  },
}

export interface ModelFault {
  field: 'model' | 'model_provider'
  message: string
  fix: string
}

const isAgent = (name: string): name is keyof typeof providersOfAgent => Object.hasOwn(providersOfAgent, name)
const isProvider = (name: string): name is ModelProvider => Object.hasOwn(formOf, name)

/** Whether a name is one as the provider writes them. */
export const hasModelForm = (model: string, provider: ModelProvider): boolean => formOf[provider].pattern.test(model)

/**
 * What makes the agent end within seconds, having done nothing: a provider it cannot ask, or a name that is not of the
 * provider's form. Undefined where nothing is wrong, or not enough is said to know.
 */
export const modelFault = ({
  agent,
  model,
  model_provider: provider,
}: Pick<RunbookFrontMatter, 'agent' | 'model' | 'model_provider'>): ModelFault | undefined => {
  if (!provider || !isProvider(provider)) return undefined
  if (agent && isAgent(agent) && !providersOfAgent[agent].includes(provider)) {
    return {
      field: 'model_provider',
      message: `${agent} cannot ask ${provider}`,
      fix: `Write ${providersOfAgent[agent].join(' or ')}, or choose another agent.`,
    }
  }
  const { example } = formOf[provider]
  if (!model || hasModelForm(model, provider)) return undefined
  return {
    field: 'model',
    message: `'${model}' is no name as ${provider} writes them; the agent would end at once`,
    fix: `Write a name such as ${example}, or another model_provider.`,
  }
}
