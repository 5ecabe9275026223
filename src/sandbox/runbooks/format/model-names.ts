import type { ModelProvider, RunbookFrontMatter } from '../../../model/runbooks/runbook.ts'
import { isCodingAgent } from '../../../model/runbooks/runbook-agents.ts'
import { agents } from '../../agents/agents.ts'

interface NameForm {
  pattern: RegExp
  example: string
}

/** Form of each provider's model names. */
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

interface ModelFault {
  field: 'model' | 'model_provider'
  message: string
  fix: string
}

const isProvider = (name: string): name is ModelProvider => Object.hasOwn(formOf, name)

/** Whether a model name has the provider's form. */
export const hasModelForm = (model: string, provider: ModelProvider): boolean => formOf[provider].pattern.test(model)

/**
 * Finds a fault that would make the agent exit within seconds: an unsupported provider, or a model name of another
 * form. Undefined when nothing is wrong, or too little is known.
 */
export const modelFault = ({
  agent,
  model,
  model_provider: provider,
}: Pick<RunbookFrontMatter, 'agent' | 'model' | 'model_provider'>): ModelFault | undefined => {
  if (!provider || !isProvider(provider)) return undefined
  const supported = agent && isCodingAgent(agent) ? agents[agent].models?.providers : undefined
  if (supported && !supported.includes(provider)) {
    return {
      field: 'model_provider',
      message: `${agent} does not support the provider ${provider}`,
      fix: `Write ${supported.join(' or ')}, or choose another agent.`,
    }
  }
  const { example } = formOf[provider]
  if (!model || hasModelForm(model, provider)) return undefined
  return {
    field: 'model',
    message: `'${model}' is not a model name of ${provider}; the agent would stop at once`,
    fix: `Write a name such as ${example}, or another model_provider.`,
  }
}
