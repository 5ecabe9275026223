import type { ButtonHTMLAttributes, Ref } from 'react'
import { Icon, type IconName } from './icon.tsx'

type ButtonLook = 'main' | 'plain' | 'quiet' | 'bad'

const looks: Record<ButtonLook, string> = {
  main: 'border-accent bg-accent text-on-accent hover:bg-[color-mix(in_oklab,var(--color-accent),var(--color-text)_15%)]',
  plain: 'border-line bg-raised hover:bg-sunk',
  quiet: 'border-transparent text-muted hover:bg-sunk hover:text-text',
  bad: 'border-bad text-bad hover:bg-sunk',
}

/** Classes of a button, for links that look like one. */
export const buttonClass = (look: ButtonLook = 'plain', isSquare = false): string =>
  `inline-flex h-7 shrink-0 items-center justify-center gap-1.5 whitespace-nowrap rounded-m border text-13 font-medium disabled:opacity-50 ${isSquare ? 'w-7' : 'px-2.5'} ${looks[look]}`

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: ButtonLook
  icon?: IconName
  ref?: Ref<HTMLButtonElement>
}

export const Button = ({ look = 'plain', icon, children, className = '', ...rest }: ButtonProps) => (
  <button type="button" {...rest} className={`${buttonClass(look)} ${className}`}>
    {icon && <Icon name={icon} />}
    {children}
  </button>
)

/** A button that shows only its icon; `label` is what it is called. */
export const IconButton = ({
  icon,
  label,
  look = 'quiet',
  className = '',
  ...rest
}: ButtonProps & { icon: IconName; label: string }) => (
  <button
    type="button"
    title={label}
    {...rest}
    aria-label={label}
    className={`${buttonClass(look, true)} ${className}`}
  >
    <Icon name={icon} />
  </button>
)
