//! Cells as SVG. Text is placed run by run and told its width; lines and bars are drawn, because
//! fonts leave gaps between them.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::draw::wrap::width;

/// A cell's size. Most monospaced fonts are 0.6 times as wide as they are high.
pub(super) const CELL: (f64, f64) = (8.4, 18.0);
const FONT_SIZE: f64 = 14.0;
/// From the top of a cell to the line that letters stand on.
const BASELINE: f64 = 13.5;
const FONTS: &str = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace";
const BACKGROUND: &str = "#10151c";
const FOREGROUND: &str = "#d5dbe3";

/// A picture that grows from top to bottom.
pub(super) struct Svg {
    body: String,
    columns: u16,
    /// How high it is so far.
    height: f64,
}

impl Svg {
    pub(super) fn new(columns: u16) -> Self {
        Self { body: String::new(), columns, height: 0.0 }
    }

    /// Puts these cells below what is there, in a box of their own.
    pub(super) fn add(&mut self, cells: &Buffer, area: Rect) {
        let (margin, y) = (MARGIN, self.height + MARGIN);
        let (wide, high) = (CELL.0 * f64::from(area.width), CELL.1 * f64::from(area.height));
        let _ = writeln!(
            self.body,
            "<g transform=\"translate({margin} {y})\"><rect x=\"-6\" y=\"-5\" width=\"{}\" \
             height=\"{}\" rx=\"6\" fill=\"{BACKGROUND}\"/>",
            number(wide + 12.0),
            number(high + 10.0)
        );
        for row in 0..area.height {
            line(&mut self.body, cells, area, row);
        }
        self.body.push_str("</g>\n");
        self.height = y + high + 5.0;
    }

    /// The whole file.
    pub(super) fn finish(self, title: &str) -> String {
        let wide = number(CELL.0 * f64::from(self.columns) + 2.0 * MARGIN);
        let high = number(self.height + MARGIN);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" \
             width=\"{wide}\" height=\"{high}\" font-family=\"{FONTS}\" \
             font-size=\"{FONT_SIZE}\" fill=\"{FOREGROUND}\" xml:space=\"preserve\">\n\
             <title>{}</title>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#232b36\"/>\n\
             {}</svg>\n",
            escape(title),
            self.body
        )
    }
}

const MARGIN: f64 = 12.0;

/// One row: its backgrounds first, so that no letter's overhang is covered.
fn line(out: &mut String, cells: &Buffer, area: Rect, row: u16) {
    let y = CELL.1 * f64::from(row);
    let cell = |column: u16| &cells[(area.x + column, area.y + row)];
    let mut column = 0;
    while column < area.width {
        let paint = colors(cell(column)).1;
        let from = column;
        while column < area.width && colors(cell(column)).1 == paint {
            column += 1;
        }
        if let Some(paint) = paint {
            let (x, wide) = (CELL.0 * f64::from(from), CELL.0 * f64::from(column - from));
            rect(out, (x, y, wide, CELL.1), paint);
        }
    }
    let mut column = 0;
    while column < area.width {
        let here = cell(column);
        let c = here.symbol().chars().next().unwrap_or(' ');
        let x = CELL.0 * f64::from(column);
        if c == ' ' {
            column += 1;
        } else if let Some(shape) = bar(c) {
            let high = CELL.1 * shape;
            let area = (x + 0.4, y + CELL.1 - high, CELL.0 - 0.8, high);
            rect(out, area, colors(here).0);
            column += 1;
        } else if let Some(arms) = arms(c) {
            strokes(out, (x, y), arms, colors(here).0);
            column += 1;
        } else if !c.is_ascii() || width(here.symbol()) > 1 {
            // By itself: another font may have another width.
            text(out, (x, y), here.symbol(), here);
            column += width(here.symbol()).max(1) as u16;
        } else {
            let mut run = String::new();
            let first = column;
            while column < area.width {
                let next = cell(column);
                let plain = next.symbol().is_ascii();
                if !plain || next.style() != here.style() {
                    break;
                }
                run.push_str(next.symbol());
                column += 1;
            }
            text(out, (CELL.0 * f64::from(first), y), run.trim_end(), here);
        }
    }
}

fn text(out: &mut String, (x, y): (f64, f64), text: &str, cell: &Cell) {
    let weight = if cell.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let color = match colors(cell).0 {
        FOREGROUND => String::new(),
        color => format!(" fill=\"{color}\""),
    };
    let columns = width(text);
    let fit = if columns > 1 && text.is_ascii() {
        let wide = number(CELL.0 * columns as f64);
        format!(" textLength=\"{wide}\" lengthAdjust=\"spacingAndGlyphs\"")
    } else {
        String::new()
    };
    let (x, y, text) = (number(x), number(y + BASELINE), escape(text));
    let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\"{fit}{color}{weight}>{text}</text>");
}

fn rect(out: &mut String, (x, y, wide, high): (f64, f64, f64, f64), color: &str) {
    let (x, y, wide, high) = (number(x), number(y), number(wide), number(high));
    let _ = writeln!(
        out,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{high}\" fill=\"{color}\" \
         shape-rendering=\"crispEdges\"/>"
    );
}

/// How much of its cell a bar fills, from the bottom.
fn bar(c: char) -> Option<f64> {
    match c {
        '▁'..='█' => Some(f64::from(u32::from(c) - u32::from('▁') + 1) / 8.0),
        _ => None,
    }
}

/// Where the lines of a box character go: left, right, up, down.
fn arms(c: char) -> Option<[bool; 4]> {
    Some(match c {
        '─' => [true, true, false, false],
        '│' => [false, false, true, true],
        '╭' | '┌' => [false, true, false, true],
        '╮' | '┐' => [true, false, false, true],
        '╰' | '└' => [false, true, true, false],
        '╯' | '┘' => [true, false, true, false],
        _ => return None,
    })
}

fn strokes(out: &mut String, (x, y): (f64, f64), arms: [bool; 4], color: &str) {
    let (middle_x, middle_y) = (x + CELL.0 / 2.0, y + CELL.1 / 2.0);
    let ends = [(x, middle_y), (x + CELL.0, middle_y), (middle_x, y), (middle_x, y + CELL.1)];
    let mut path = String::new();
    for (end, _) in ends.into_iter().zip(arms).filter(|(_, there)| *there) {
        let _ = write!(
            path,
            "M{} {}L{} {}",
            number(middle_x),
            number(middle_y),
            number(end.0),
            number(end.1)
        );
    }
    let _ = writeln!(out, "<path d=\"{path}\" stroke=\"{color}\" stroke-linecap=\"square\"/>");
}

/// The colours of a cell: of what stands in it, and of what is behind, if that is not the ground.
fn colors(cell: &Cell) -> (&'static str, Option<&'static str>) {
    let (front, back) = (color(cell.fg), color(cell.bg));
    if cell.modifier.contains(Modifier::REVERSED) {
        return (back.unwrap_or(BACKGROUND), Some(front.unwrap_or(FOREGROUND)));
    }
    (front.unwrap_or(FOREGROUND), back)
}

fn color(color: Color) -> Option<&'static str> {
    Some(match color {
        Color::Black => "#10151c",
        Color::Red => "#f2665f",
        Color::Green => "#5fd38d",
        Color::Yellow => "#f0c04f",
        Color::Blue => "#5c9df5",
        Color::Magenta => "#c58af0",
        Color::Cyan => "#4fc7d9",
        Color::Gray => "#aeb7c2",
        Color::DarkGray => "#738091",
        Color::LightRed => "#ff8f88",
        Color::LightGreen => "#8fe3ae",
        Color::LightYellow => "#f7d98a",
        Color::LightBlue => "#8fbcf9",
        Color::LightMagenta => "#dcb3f7",
        Color::LightCyan => "#8be0ec",
        Color::White => "#ffffff",
        // The screen uses no other ones.
        Color::Reset | Color::Rgb(..) | Color::Indexed(_) => return None,
    })
}

/// A number with a decimal at most.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn text_is_escaped_and_wide_characters_stand_by_themselves() {
        let mut cells = Buffer::empty(Rect::new(0, 0, 20, 1));
        cells.set_string(0, 0, "a<b>&\"日 ok", Style::new().fg(Color::Red));
        let mut svg = Svg::new(20);
        svg.add(&cells, *cells.area());
        let svg = svg.finish("<&>");
        assert!(svg.contains("a&lt;b&gt;&amp;&quot;</text>"), "{svg}");
        assert!(svg.contains(">日</text>"), "{svg}");
        assert!(svg.contains("<title>&lt;&amp;&gt;</title>"));
        assert_eq!(svg.matches("#f2665f").count(), 3);
    }

    #[test]
    fn bars_and_lines_are_drawn() {
        let mut cells = Buffer::empty(Rect::new(0, 0, 3, 1));
        cells.set_string(0, 0, "▄╭█", Style::new());
        let mut svg = Svg::new(3);
        svg.add(&cells, *cells.area());
        assert!(svg.body.contains("height=\"9\""), "half a cell: {}", svg.body);
        assert!(svg.body.contains("<path"));
        assert!(!svg.body.contains("<text"));
    }
}
