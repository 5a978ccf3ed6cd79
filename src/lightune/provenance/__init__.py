"""What ran: reproduce a run from its folder, pack a study into one file."""
