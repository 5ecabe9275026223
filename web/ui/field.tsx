import {
  type InputHTMLAttributes,
  type ReactNode,
  type Ref,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from 'react'

const inputClass =
  'w-full min-w-0 rounded-m border border-line bg-raised px-2 placeholder:text-faint hover:border-edge aria-invalid:border-bad'

interface FieldText {
  label: string
  /** Keeps the label for those who cannot see the place. */
  hidesLabel?: boolean
  hint?: ReactNode
  error?: string | undefined
}

const Frame = ({
  id,
  label,
  hidesLabel,
  hint,
  error,
  className = '',
  children,
}: FieldText & { id: string; className?: string; children: ReactNode }) => (
  <div className={className}>
    <label htmlFor={id} className={hidesLabel ? 'sr-only' : 'mb-1 block font-medium text-12 text-muted'}>
      {label}
    </label>
    {children}
    {hint && !error && (
      <p id={`${id}-hint`} className="mt-1 text-12 text-muted">
        {hint}
      </p>
    )}
    {error && (
      <p id={`${id}-hint`} role="alert" className="mt-1 text-12 text-bad">
        {error}
      </p>
    )}
  </div>
)

const described = (id: string, { hint, error }: FieldText) => ({
  ...(hint || error ? { 'aria-describedby': `${id}-hint` } : {}),
  ...(error ? { 'aria-invalid': true } : {}),
})

type TextFieldProps = FieldText &
  InputHTMLAttributes<HTMLInputElement> & { ref?: Ref<HTMLInputElement>; boxClass?: string; isCode?: boolean }

/** One line of text. */
export const TextField = ({
  label,
  hidesLabel,
  hint,
  error,
  boxClass,
  isCode,
  className = '',
  ...rest
}: TextFieldProps) => {
  const id = useId()
  const text: FieldText = { label, hint, error, ...(hidesLabel ? { hidesLabel } : {}) }
  return (
    <Frame id={id} {...text} {...(boxClass ? { className: boxClass } : {})}>
      <input
        id={id}
        autoComplete="off"
        spellCheck={false}
        {...rest}
        {...described(id, text)}
        className={`${inputClass} h-7 ${isCode ? 'font-mono text-12' : ''} ${className}`}
      />
    </Frame>
  )
}

type TextAreaProps = FieldText &
  TextareaHTMLAttributes<HTMLTextAreaElement> & { isCode?: boolean; ref?: Ref<HTMLTextAreaElement> }

/** Several lines of text; it grows with them. */
export const TextArea = ({ label, hidesLabel, hint, error, isCode, className = '', ...rest }: TextAreaProps) => {
  const id = useId()
  const text: FieldText = { label, hint, error, ...(hidesLabel ? { hidesLabel } : {}) }
  return (
    <Frame id={id} {...text}>
      <textarea
        id={id}
        rows={3}
        spellCheck={false}
        {...rest}
        {...described(id, text)}
        className={`${inputClass} field-sizing-content py-1 ${isCode ? 'font-mono text-12' : ''} ${className}`}
      />
    </Frame>
  )
}

type SelectFieldProps = FieldText &
  SelectHTMLAttributes<HTMLSelectElement> & {
    options: readonly (readonly [value: string, text: string])[]
    boxClass?: string
  }

/** One of a few values. */
export const SelectField = ({
  label,
  hidesLabel,
  hint,
  error,
  options,
  boxClass,
  className = '',
  ...rest
}: SelectFieldProps) => {
  const id = useId()
  const text: FieldText = { label, hint, error, ...(hidesLabel ? { hidesLabel } : {}) }
  return (
    <Frame id={id} {...text} {...(boxClass ? { className: boxClass } : {})}>
      <select id={id} {...rest} {...described(id, text)} className={`${inputClass} h-7 ${className}`}>
        {options.map(([value, shown]) => (
          <option key={value} value={value}>
            {shown}
          </option>
        ))}
      </select>
    </Frame>
  )
}

/** A box to tick, with its text beside it. */
export const Checkbox = ({
  label,
  hidesLabel,
  ...rest
}: { label: string; hidesLabel?: boolean } & InputHTMLAttributes<HTMLInputElement>) => (
  <label className="inline-flex items-center gap-2">
    <input type="checkbox" {...rest} className="size-3.5 accent-accent" />
    <span className={hidesLabel ? 'sr-only' : ''}>{label}</span>
  </label>
)
