import type { ParameterOrigin } from '../../../../src/model/workflows/workflow-check.ts'

const words: Record<ParameterOrigin['kind'], string> = {
  init_params: 'parameter',
  step: 'step',
  env: 'environment',
  literal: 'written',
  template: 'text',
}

/** Where each parameter of a step gets its value: the first choice first. */
export const Origins = ({ bindings }: { bindings: Readonly<Record<string, readonly ParameterOrigin[]>> }) => (
  <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
    {Object.entries(bindings).map(([parameter, origins]) => (
      <div key={parameter} className="contents">
        <dt className="text-muted">{parameter}</dt>
        <dd className="min-w-0">
          {origins.map(({ kind, text }, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: origins have no names and never move
            <span key={at} className="flex items-baseline gap-2">
              <span className="shrink-0 text-11 text-faint">
                {at > 0 && kind !== 'step' ? `or ${words[kind]}` : words[kind]}
              </span>
              <code className="min-w-0 truncate font-mono text-12">{text}</code>
            </span>
          ))}
        </dd>
      </div>
    ))}
  </dl>
)
